"""Fixtures of the tests against real servers."""
import itertools

import pytest

from support import cluster as clusters
from support import pgcairn, system
from support import report as report_table
from support.stanza import Stanza

VERSIONS = (15, 18)  # most tests; all of them are in test_matrix.py


@pytest.fixture(scope="session")
def root():
    """The temporary root of this run; gone at its end."""
    folder = system.make_root()
    yield folder
    system.remove_tree(folder)


@pytest.fixture(scope="session")
def sockets(root):
    """One folder for all sockets, with a short name: a socket's path has room for 107 bytes."""
    return system.make_dir(root / "s", 0o755)


@pytest.fixture(scope="session")
def binary(root):
    """The copy of pgcairn that the tests run, None when there is none."""
    return pgcairn.install_binary(root)


@pytest.fixture(scope="session")
def installations(root):
    """{13: ..., ..., 18: ...}, unpacked on first use."""
    class OnDemand(dict):
        def __missing__(self, version):
            self[version] = clusters.debian_15() if version == 15 else clusters.unpacked(root, version)
            return self[version]
    return OnDemand()


@pytest.fixture
def home(root, counter=itertools.count(1)):
    """A folder of the test's own that belongs to the server's user."""
    folder = system.make_dir(root / f"t{next(counter)}", 0o755)
    yield folder
    system.remove_tree(folder)


@pytest.fixture(params=VERSIONS, ids=lambda version: f"pg{version}")
def postgres(request, installations):
    """Each version of PostgreSQL in turn."""
    return installations[request.param]


@pytest.fixture
def make_stanza(home, installations, binary, sockets):
    """Make stanzas: make_stanza(version=15, archiving=..., SETTING=...). `stanza-create` is up to the test."""
    made = []

    def make(version=15, name=None, **kw):
        folder = system.make_dir(home / (name or f"stanza{len(made) + 1}"), 0o755)
        made.append(Stanza(folder, installations[version], binary, sockets=sockets, **kw))
        return made[-1]
    yield make
    for stanza in made:
        stanza.close()


@pytest.fixture
def stanza(make_stanza, postgres):
    """A running cluster of each version that archives into a repository, stanza-create done."""
    return make_stanza(postgres.version).create()


@pytest.fixture
def stanza15(make_stanza):
    """The same of one version only, for what does not depend on it."""
    return make_stanza(15).create()


@pytest.fixture
def backed_up(stanza15):
    """A stanza with one backup; `label` names it. Nobody is at work in the repository."""
    stanza15.cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    stanza15.label = stanza15.backup()["label"]
    stanza15.cluster.wait_for_archiver()
    return stanza15


@pytest.fixture
def target(home):
    """An empty target directory."""
    return system.make_dir(home / "target")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    cell = item.get_closest_marker("matrix")
    if cell and hasattr(item, "callspec"):
        params = item.callspec.params
        item.user_properties.append(("cell", [f"pg{params['past']}", cell.args[0] if cell.args else params["target"]]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item):
    report_table.hand_over(item)


def pytest_runtest_logreport(report):
    report_table.collect(report)
    report_table.outcome(report)


def pytest_terminal_summary(terminalreporter):
    lines = report_table.table()
    if lines:
        terminalreporter.section("PostgreSQL version by target of the restore")
        for line in lines:
            terminalreporter.write_line(line)

"""Options of all Python tests."""
import signal

import pytest


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="skip the tests marked slow")


def pytest_configure(config):
    # A run that is told to end stops its own servers and removes its own folder, as after Ctrl-C. Nobody else can:
    # several runs may share the machine, and from outside theirs look like ours.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


# A file is run by one process from beginning to end: those that take minutes begin first, so that none is waited for at the end.
LONG = ("test_incremental", "test_s3", "test_matrix", "test_encryption", "test_azure", "test_gcs", "test_resume")


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
    if config.getoption("--quick"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow, and --quick was asked for"))

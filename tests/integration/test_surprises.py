"""What the file system does where something else was expected is an error with its cause, not "unexpected"."""
import os
import shutil

import pytest

from support import system


@pytest.fixture
def backed_up(stanza15):
    stanza15.backup()
    return stanza15


SURPRISES = {
    "a link that leads nowhere": lambda place: os.symlink(place.parent / "not-mounted", place),
    "a loop of links": lambda place: os.symlink(place, place),
    "a file": lambda place: system.write(place, "x"),
    "a directory that is closed": lambda place: (place.mkdir(), os.chmod(place, 0)),
    "a name that is too long": None,
    "nothing": lambda place: None,
}


@pytest.mark.parametrize("surprise", SURPRISES)
def test_a_surprise_in_place_of_the_data_directory_is_named(backed_up, surprise):
    cluster, cairn = backed_up.cluster, backed_up.cairn
    cluster.stop()
    gone = backed_up.home / "gone"
    shutil.move(cluster.data, gone)
    place = cluster.data
    try:
        if SURPRISES[surprise]:
            SURPRISES[surprise](place)
        else:
            place = backed_up.home / ("x" * 300)
        for verb in (["restore"], ["restore", "--delta"], ["restore", "--dry-run"], ["backup"], ["check"],
                     ["drill", f"--drill-path={backed_up.home / 'drill'}"], ["archive-push", "pg_wal/000000010000000000000001"]):
            done = cairn.run(*verb, *([f"--pg-path={place}"] if place != cluster.data else []))
            assert "unexpected" not in done.err and "report this" not in done.err, (verb, done)
            if done.code != 0:
                assert "error: " in done.err or " ERROR " in done.err, (verb, done)
            if verb[0] == "restore" and surprise != "nothing":
                assert done.code in (1, 2) and str(place) in done.err, (verb, done)
    finally:
        if place == cluster.data and (place.is_symlink() or place.is_file()):
            place.unlink()
        elif place == cluster.data and place.exists():
            os.chmod(place, 0o700)


def test_a_closed_directory_in_the_path_does_not_end_a_drill(backed_up, home):
    closed = system.make_dir(home / "closed", 0o000)
    os.chown(closed, 0, 0)
    drill = backed_up.cairn.ok("drill", f"--drill-path={home / 'drill'}", env={"PATH": f"{closed}:{os.environ['PATH']}"})
    assert "GOOD" in drill.out


def test_a_path_that_is_too_long_has_a_cause_and_no_wrong_advice(stanza15):
    wal = f"{'x' * 300}/000000010000000000000001"
    refused = stanza15.cairn.run("archive-push", wal)
    assert refused.code == 1 and f'"{wal}": File name too long' in refused.err and "rights" not in refused.err, refused

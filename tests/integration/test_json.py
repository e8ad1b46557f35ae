"""What `--output=json` prints: programs rely on every name and type. Their values are checked where the verbs are."""
import json

import pytest

from support import damage


def shape(value):
    """The value with its leaves replaced by the names of their types; of a list, its first element stands for all."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        shapes = [shape(one) for one in value]
        assert all(one == shapes[0] for one in shapes), f"elements of different shapes: {shapes}"
        return shapes[:1]
    return {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}[type(value)]


BACKUP = {
    "label": "string", "type": "string", "prior": "null", "start-time": "string", "stop-time": "string",
    "duration-seconds": "number", "start-lsn": "string", "stop-lsn": "string", "timeline": "integer",
    "wal-start": "string", "wal-stop": "string", "cluster-bytes": "integer", "read-bytes": "integer",
    "stored-bytes": "integer", "files": "integer", "resumed": [], "wal-copied": "boolean", "method": "string", "method-reason": "null", "page-errors": [], "page-error-count": "integer", "data-checksums": "boolean",
    "outside": {"config-file": "null", "hba-file": "null", "ident-file": "null", "files": "integer", "unreadable": []}, "excluded": [],
    "pg-version": "integer", "system-id": "string",
}
# What only info says of a backup.
LISTED = {
    "restorable": "boolean", "holds": [], "annotations": [], "verify": "null", "damage": "null", "drill": "null",
    "sizes": {"packs-bytes": "integer", "shared-bytes": "integer", "freed-bytes": "integer", "exact": "boolean"},
}
NUMBER_OR_NULL = ("integer", "number", "null")
FINDING = {"check": ("string",), "repository": ("string",), "level": ("string",), "message": ("string",),
           "value": NUMBER_OR_NULL, "unit": ("string", "null"), "warn": NUMBER_OR_NULL, "critical": NUMBER_OR_NULL}
VERDICT = {"level": "string", "message": "string"}
STATUS = {"code": "integer", "message": "string"}
CLUSTER = {"id": "string", "system-id": "string", "pg-version": "integer"}
REPOSITORY = {
    "name": "string", "type": "string", "status": STATUS, "notes": [], "clusters": [CLUSTER],
    "backups": [BACKUP | LISTED], "unreadable-backups": [], "newest-backup-age-seconds": "integer",
    "windows": [{"cluster": "string", "timeline": "integer", "from-lsn": "string", "from-time": "string",
                 "from-clock": "string", "to-lsn": "string", "to-time": "string", "last": "string", "missing": "string",
                 "after-gap": "null", "gap": "string", "partial": "null", "backups": ["string"]}],
    "branches": [{"cluster": "string", "timeline": "integer", "newest": "boolean", "history-known": "boolean",
                  "left-timeline": "null", "left-lsn": "null", "last": "string", "last-time": "null", "reachable": "boolean"}],
    "wal": {"segments": "integer", "first": "string", "last": "string", "stored-bytes": "integer",
            "newest-time": "string", "newest-age-seconds": "integer"},
    "growth": "null", "space": {"size-bytes": "integer", "free-bytes": "integer"},
    "running": "null", "left-behind": "null", "stops": [],
}
RESTORE = {
    "stanza": "string", "dry-run": "boolean", "repository": "string", "backup": BACKUP, "reason": "string",
    "type": "string", "target-time": "null", "target-action": "null", "data-directory": "string", "resumes": "boolean",
    "tablespaces": [{"oid": "integer", "name": "string", "location": "string"}],
    "config": {"to": "null", "files": "integer", "settings": []},
    "space": [{"directories": ["string"], "needed-bytes": "integer", "free-bytes": "integer"}],
    "fetch-bytes": "integer", "write-bytes": "integer", "files": "integer", "estimate": "null",
}


def whole_seconds_are_numbers(backup):
    """JSON has one kind of number: 3.0 may be printed as 3."""
    backup["duration-seconds"] = float(backup["duration-seconds"])
    return backup


def test_stanza_create(make_stanza):
    stanza = make_stanza(15)
    for created in (True, False):
        said = stanza.cairn.ok("stanza-create", "--output=json").json
        assert shape(said) == {"stanza": "string", "repositories": [{
            "name": "string", "cluster": "string", "created-repository": "boolean", "created-stanza": "boolean"}]}
        one = said["repositories"][0]
        assert said["stanza"] == "main" and one["name"] == "local"
        assert one["cluster"] == f"15-{stanza.cluster.system_id()}"
        assert (one["created-repository"], one["created-stanza"]) == (created, created)


def test_backup_info_and_restore(stanza):
    stanza.cluster.create_tablespace("space", stanza.home / "space")
    said = stanza.cairn.ok("backup", "--start-fast", "--output=json").json
    whole_seconds_are_numbers(said["backup"])
    assert shape(said) == {"backup": BACKUP, "repository": "string", "left-branch": "null", "archiver-stuck": "boolean",
                           "repositories": [{"name": "string", "error": "null"}]}

    shown = stanza.cairn.ok("info", "--output=json").json
    whole_seconds_are_numbers(shown["stanzas"][0]["repositories"][0]["backups"][0])
    findings = shown["stanzas"][0].pop("findings")
    for finding in findings:
        assert finding.keys() == FINDING.keys()
        assert all(found in FINDING[key] for key, found in shape(finding).items()), finding
    assert {finding["check"] for finding in findings} >= {"restorable", "drill"}
    assert shape(shown) == {"stanzas": [{"name": "string", "time": "string", "status": STATUS, "verdict": VERDICT,
                                         "repositories": [REPOSITORY]}]}

    target, space = stanza.home / "target", stanza.home / "space2"
    for dry_run in (True, False):
        args = ["restore", f"--pg-path={target}", f"--tablespace-map=space={space}", "--output=json"]
        plan = stanza.cairn.ok(*args, *(["--dry-run"] if dry_run else [])).json
        whole_seconds_are_numbers(plan["restore"]["backup"])
        told = shape(plan)["restore"]
        assert {name: told.get(name) for name in RESTORE} == RESTORE  # and more: tests/unit/command has all of it
        assert (plan["restore"]["dry-run"], plan["restore"]["data-directory"]) == (dry_run, str(target))
        assert [one["location"] for one in plan["restore"]["tablespaces"]] == [str(space)]
        places = [place for one in plan["restore"]["space"] for place in one["directories"]]
        assert sorted(places) == sorted([str(target), str(space)])
    # A program learns what was planned from the plan that was carried out.
    assert {path.name for path in target.iterdir()} > {"backup_label", "tablespace_map", "recovery.signal"}


def test_restore_to_a_time(backed_up, target):
    backed_up.cluster.wait_for_archived()
    when = backed_up.backups()[0]["stop-time"]
    plan = backed_up.cairn.ok("restore", f"--pg-path={target}", "--dry-run", "--output=json", "--type=time",
                              f"--target={when}", "--target-action=promote").json["restore"]
    assert shape(whole_seconds_are_numbers(plan["backup"])) == BACKUP
    assert (plan["type"], plan["target-time"], plan["target-action"]) == ("time", when, "promote")


def test_info_of_what_cannot_be_read_has_the_same_shape(backed_up):
    def repository():
        shown = backed_up.cairn.run("info", "--output=json").json
        assert len(shown["stanzas"]) == 1 and shown["stanzas"][0]["name"] == "main"
        found = shown["stanzas"][0]["repositories"][0]
        assert found.keys() == REPOSITORY.keys() and shape(found["status"]) == STATUS
        return found
    backed_up.repo.chmod(0o000)
    assert repository()["status"]["code"] == 1
    backed_up.repo.chmod(0o750)
    damage.remove(backed_up.marker(backed_up.label))
    assert repository()["status"]["code"] == 2  # no backup
    for path in (backed_up.repo / "main/wal").rglob("*"):
        if path.is_file():
            path.unlink()
    assert repository()["wal"] == {"segments": 0, "first": None, "last": None, "stored-bytes": 0, "newest-time": None,
                                   "newest-age-seconds": None}


@pytest.mark.parametrize("args, code", [
    (["--type=time", "restore"], 2), (["--set=20200101-000000F", "restore"], 10), (["--stanza=nosuch", "backup"], 13)])
def test_a_failure_prints_no_result_and_its_error_as_json_where_logs_are(backed_up, target, args, code):
    result = backed_up.cairn.run("--output=json", "--log-format=json", f"--pg-path={target}", *args)
    assert result.code == code and result.out == "", result
    errors = [json.loads(line) for line in result.err.splitlines()]
    assert shape(errors[-1]) == {"time": "string", "level": "string", "message": "string",
                                 "context": errors[-1]["context"] and ["string"], "hint": "string"}
    assert errors[-1]["level"] == "error"


def test_version(backed_up):
    assert shape(backed_up.cairn.ok("version", "--output=json").json) == {"name": "string", "version": "string"}

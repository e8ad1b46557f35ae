"""What a user types and reads: options, configuration, environment, help, exit codes. Needs no server."""
import json

import pytest

from support import system
from support.pgcairn import Pgcairn
from support.stanza import MISSING_BINARY

VERBS = ["stanza-create", "backup", "archive-push", "archive-get", "restore", "info", "report", "health", "metrics", "version",
         "help"]
ABSENT = 10  # the exit code where no repository is at the place that is configured


@pytest.fixture
def cairn(home, binary):
    assert binary, MISSING_BINARY
    return Pgcairn(binary, home / "pgcairn.toml", {
        "global": {"process-max": 2},
        "repo.local": {"type": "posix", "path": system.make_dir(home / "repo", 0o750)},
        "stanza.main": {"pg-path": home / "nowhere", "pg-port": 1, "pg-socket-path": home},
    })


def test_version(cairn):
    assert cairn.ok("version").out.startswith("pgcairn ")
    assert system.run([cairn.binary, "version"]).stdout == cairn.ok("version").out  # without any configuration


def test_options_before_and_after_the_verb(cairn):
    def told(result):  # not when it was
        return result.code, [{**stanza, "time": None} for stanza in result.json["stanzas"]]
    before = cairn.run("--output=json", "--stanza=main", "info")
    assert before.code == 10  # named, and in no repository
    for args in (["info", "--output=json", "--stanza=main"], ["--stanza", "main", "info", "--output", "json"]):
        after = cairn.run(*args)
        assert told(after) == told(before)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb(cairn, verb):
    shown = cairn.ok("help", verb).out
    assert verb in shown
    assert "example" in shown.lower() and "exit" in shown.lower()
    assert cairn.ok(verb, "--help").out == shown


def test_help_names_every_verb(cairn):
    shown = cairn.ok("help").out
    assert [verb for verb in VERBS if verb not in shown] == []
    assert cairn.ok("--help").out == shown


@pytest.mark.parametrize("args, nearest", [
    (["--proces-max=2", "info"], "process-max"),
    (["info", "--ouptut=json"], "output"),
    (["bakcup"], "backup"),
    (["--compress-type=zstd", "backup"], "zst"),
    (["backup", "--type=ful"], "full"),
    (["help", "restor"], "restore"),
])
def test_a_misspelling_exits_2_and_names_the_nearest(cairn, args, nearest):
    result = cairn.run(*args)
    assert result.code == 2, result
    assert nearest in result.err and result.out == ""


@pytest.mark.parametrize("args", [
    [], ["backup", "surplus"], ["archive-get", "000000010000000000000001"], ["--process-max=0", "backup"],
    ["--process-max=many", "backup"], ["restore", "--type=time"], ["restore", "--tablespace-map=nonsense"],
    ["--compress-level=99", "backup"], ["--archive-timeout=soon", "backup"]], ids=" ".join)
def test_wrong_usage_exits_2(cairn, args):
    if args[:1] == ["archive-get"]:
        assert cairn.run(*args).code > 125  # for PostgreSQL that is "could not find out"
    else:
        assert cairn.run(*args).code == 2


@pytest.mark.parametrize("table, key, nearest", [
    ("global", "proces-max", "process-max"), ("repo.local", "pth", "path"), ("stanza.main", "pg-prot", "pg-port")])
def test_an_unknown_key_exits_2_and_names_the_nearest(cairn, table, key, nearest):
    cairn.tables[table][key] = 1
    cairn.save()
    result = cairn.run("info")
    assert result.code == 2, result
    assert key in result.err and nearest in result.err and str(cairn.config) in result.err


@pytest.mark.parametrize("text", ["[global\n", "process-max = \n", "[globla]\n", "[global]\nprocess-max = 'two'\n"])
def test_a_broken_configuration_exits_2_and_names_the_file(cairn, text):
    system.write(cairn.config, text)
    result = cairn.run("info")
    assert result.code == 2 and str(cairn.config) in result.err, result


def test_a_missing_configuration_exits_2_and_names_the_file(cairn):
    result = system.run([cairn.binary, "--config=/nonexistent/pgcairn.toml", "info"], check=False)
    assert result.returncode == 2 and "/nonexistent/pgcairn.toml" in result.stderr


def test_the_configuration_can_come_from_the_environment(cairn):
    done = system.run([cairn.binary, "info", "--output=json"], env={"PGCAIRN_CONFIG": cairn.config}, check=False)
    assert done.returncode == ABSENT, done
    assert json.loads(done.stdout)["stanzas"][0]["name"] == "main"


def test_environment_beats_configuration_and_options_beat_both(cairn):
    def is_json(result):
        try:
            return bool([json.loads(line) for line in result.err.splitlines()])
        except ValueError:
            return False
    failing = ("backup",)  # there is no stanza yet, and it says so on stderr
    cairn.tables["global"]["log-format"] = "text"
    cairn.save()
    assert not is_json(cairn.run(*failing))
    assert is_json(cairn.run(*failing, env={"PGCAIRN_LOG_FORMAT": "json"}))
    assert not is_json(cairn.run(*failing, "--log-format=text", env={"PGCAIRN_LOG_FORMAT": "json"}))


def test_an_unknown_or_wrong_variable_is_named(cairn):
    result = cairn.run("info", env={"PGCAIRN_PROCESS_MAX": "many"})
    assert result.code == 2 and "PGCAIRN_PROCESS_MAX" in result.err


def test_info_of_an_empty_repository_is_json(cairn):
    result = cairn.run("info", "--output=json")
    assert result.code == ABSENT, result
    stanza = result.json["stanzas"][0]
    assert stanza["name"] == "main" and stanza["status"]["code"] != 0 and stanza["status"]["message"]


def test_results_go_to_stdout_and_logs_to_stderr(cairn):
    result = cairn.run("--log-level=debug", "--output=json", "info")
    assert result.code == ABSENT and result.json
    failed = cairn.run("backup")
    assert failed.out == "" and failed.err.strip()
    assert "\r" not in failed.err and "\x1b" not in failed.err  # no terminal, no overprinting and no colours


@pytest.mark.parametrize("option", ["--repo-cipher-pass", "--pg-password", "--passphrase", "--s3-secret-key"])
def test_secrets_are_not_taken_from_the_command_line_nor_repeated(cairn, option):
    result = cairn.run(f"{option}=hunter2", "info")
    assert result.code == 2
    assert "hunter2" not in result.out + result.err


def test_two_stanzas_need_a_choice(cairn, home):
    cairn.tables["stanza.other"] = {"pg-path": home / "elsewhere"}
    cairn.save()
    result = cairn.run("backup")
    assert result.code == 2 and "main" in result.err and "other" in result.err
    assert len(cairn.run("info", "--output=json").json["stanzas"]) == 2

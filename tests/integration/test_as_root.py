"""One command run by root must not close a repository, or a host, to the user that PostgreSQL runs as."""
import os
import pathlib
import pwd
import random
import secrets
import shutil
import subprocess

import pytest

from support import compare, system

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run pgcairn as root")

SEED = int(os.environ.get("PGCAIRN_SEED", secrets.randbelow(1 << 32)))
NAMELESS = 1000660000  # as OpenShift makes them


def as_root(stanza, *args, env=None):
    return system.run(stanza.cairn.command(*args), check=False, as_server=False, env=env)


def owners(*folders):
    """{(uid, gid)} of all that is in these folders, and of themselves; what the archiver removes meanwhile is nobody's."""
    found = set()
    for folder in folders:
        for top, folders_in, files in os.walk(folder):
            for path in [top, *(os.path.join(top, name) for name in folders_in + files)]:
                try:
                    info = os.lstat(path)
                except FileNotFoundError:
                    continue
                found.add((info.st_uid, info.st_gid))
    return found


def server():
    user = system.server_user()
    return {(user.pw_uid, user.pw_gid)}


def chown_all(folder, uid, gid):
    subprocess.run(["chown", "-R", f"{uid}:{gid}", str(folder)], check=True)


def archived_segment(stanza):
    """A copy of a WAL file that is in the archive already, to push it again, which is right."""
    cluster = stanza.cluster
    cluster.sql("SELECT pg_create_restore_point('in_this_segment')")
    name = cluster.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
    cluster.sql("SELECT pg_switch_wal()")
    copy = system.write(stanza.home / name, (cluster.data / "pg_wal" / name).read_bytes(), 0o644)
    cluster.wait_for_archived()
    return copy


def all_verbs(stanza):
    """The commands that help shows."""
    lines = stanza.cairn.ok("help").out.partition("commands:\n")[2].partition("\n\n")[0].splitlines()
    return [line.split()[0] for line in lines]


@pytest.fixture
def doubled(make_stanza):
    """Two repositories, the second of them encrypted, in the state of a host where nobody has run anything but the server's
    user."""
    stanza = make_stanza(15)
    stanza.other = system.make_dir(stanza.home / "other", 0o750)
    key = system.write(stanza.home / "key", secrets.token_bytes(32), 0o600)
    stanza.cairn.tables["repo.other"] = {"type": "posix", "path": stanza.other, "key-file": key}
    stanza.cairn.tables["global"]["start-fast"] = True
    stanza.cairn.save()
    return stanza.create()


def test_the_servers_user_goes_on_after_each_verb_of_root(doubled):
    stanza = doubled
    cairn, cluster = stanza.cairn, stanza.cluster
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    label = stanza.backup("--repo=all")["label"]
    segment = archived_segment(stanza)
    drill = system.make_dir(stanza.home / "drill")
    new_key = system.write(stanza.home / "new-key", secrets.token_bytes(32), 0o600)
    got = cluster.data / "got"  # a place that root may not choose for the server's user
    runs = {
        "stanza-create": [], "archive-push": [segment], "archive-get": [segment.name, got], "check": [], "backup": ["--repo=all"],
        "info": [], "report": [], "health": [], "metrics": [f"--file={stanza.home}/metrics"],
        "restore": [f"--pg-path={stanza.home}/restored", "--archive-mode=off"], "verify": ["--level=full"],
        "drill": [f"--drill-path={drill}"], "expire": ["--keep-last=9"], "hold": [label, "--reason=x"], "annotate": [label, "a=b"],
        "unhold": [label], "repo-ls": ["--repo=other"], "repo-get": ["--repo=other", "pgcairn.json", stanza.home / "got"],
        "repo-copy": ["--from=local", "--to=other"], "stop": ["--reason=x"], "start": [], "stanza-upgrade": [],
        "key-list": [], "key-add": ["--repo=other", f"--new-key-file={new_key}"], "key-remove": ["--repo=other", "1"],
        "key-rotate": ["--repo=other", f"--new-key-file={new_key}"], "help": [], "version": [], "stanza-delete": ["--force"],
    }
    assert set(runs) == set(all_verbs(stanza)), "a verb is missing here, or gone"
    for verb, args in runs.items():
        if verb == "stanza-delete":
            continue  # at the end
        done = as_root(stanza, verb, *args)
        assert done.returncode == 0 or verb == "health", f"{verb}: {done.stdout}{done.stderr}"
        places = [stanza.repo, stanza.other, cairn.state_path, cluster.data]
        assert owners(*places) == server(), verb
        if verb == "key-rotate":
            cairn.tables["repo.other"]["key-file"] = new_key
            cairn.save()
    cluster.rows("CREATE TABLE u AS SELECT 1 AS x")
    cluster.wait_for_archived()
    for args in (["backup", "--repo=all"], ["verify", "--level=full"], ["check"], ["hold", label, "--reason=y"], ["unhold", label],
                 ["expire", "--keep-last=9"], ["stop"], ["start"], ["key-list"],
                 ["restore", f"--pg-path={stanza.home}/again", "--archive-mode=off"], ["stanza-create"]):
        cairn.ok(*args)
    # What root restored has the owners of the backup.
    assert owners(stanza.home / "restored") == server()
    cluster.stop()
    done = as_root(stanza, "stanza-delete", "--force", "--repo=all")
    assert done.returncode == 0, done.stderr
    assert owners(stanza.repo, stanza.other, cairn.state_path) == server()
    cairn.ok("stanza-create")


def test_on_a_new_host_root_makes_the_places_for_the_servers_user(make_stanza):
    stanza = make_stanza(15)
    spool = stanza.home / "spool"  # root's, as /var/spool is
    spool.mkdir(mode=0o755)
    shutil.rmtree(stanza.repo)
    os.chown(stanza.home, 0, 0)
    stanza.cairn.tables["global"]["state-path"] = spool / "deep/pgcairn"
    stanza.cairn.save()
    done = as_root(stanza, "stanza-create")
    assert done.returncode == 0 and "running as postgres, the owner of data directory" in done.stderr, done.stderr
    state = spool / "deep/pgcairn"
    for made in (stanza.repo, state):
        assert owners(made) == server() and made.stat().st_mode & 0o777 == 0o750
    assert (spool / "deep").stat().st_mode & 0o777 == 0o755
    for verb in ("stop", "start"):
        assert as_root(stanza, verb).returncode == 0
    stanza.backup()


def test_nothing_of_root_is_left_after_the_change(make_stanza):
    stanza = make_stanza(15)
    key = system.write(stanza.home / "key", secrets.token_hex(32), 0o600)
    said = stanza.home / "said"
    stanza.cairn.tables["repo.local"]["key-command"] = (
        f"(id -u; id -G; echo $HOME $USER; grep -h ^Cap[IPEA] /proc/self/status; pwd) > {said}; cat {key}")
    stanza.cairn.save()
    done = as_root(stanza, "stanza-create")
    assert done.returncode == 0, done.stderr
    user = system.server_user()
    lines = said.read_text().splitlines()
    assert lines[0] == str(user.pw_uid)
    assert set(map(int, lines[1].split())) == set(os.getgrouplist(user.pw_name, user.pw_gid))
    assert lines[2] == f"{user.pw_dir} {user.pw_name}"
    assert {line.split()[1] for line in lines[3:7]} == {"0" * 16}, lines


def test_a_key_that_only_root_can_read_is_named_with_its_owner(doubled):
    key = pathlib.Path(doubled.cairn.tables["repo.other"]["key-file"])
    os.chown(key, 0, 0)
    done = as_root(doubled, "repo-ls", "--repo=other")
    assert done.returncode == 2, done.stdout + done.stderr
    said = done.stdout + done.stderr
    for word in (f'cannot open "{key}"', "belongs to root (mode 0600)", "pgcairn runs as postgres", "chgrp"):
        assert word in said, said
    command = said.partition("pgcairn runs as postgres: ")[2].splitlines()[0]
    subprocess.run(["sh", "-c", command], check=True)
    assert as_root(doubled, "repo-ls", "--repo=other").returncode == 0
    assert (key.stat().st_uid, key.stat().st_mode & 0o777) == (0, 0o640)


@pytest.mark.parametrize(("gid", "mode", "hint"), [
    ("server", 0o640, "run it as {user}: sudo -u {user} pgcairn --config={config} info"),
    ("root", 0o600, "run it as the user that runs PostgreSQL; only if that is nobody: chgrp nogroup {config} && chmod 640 {config}")])
def test_no_hint_gives_the_configuration_to_who_only_ran_a_command(backed_up, gid, mode, hint):
    user, config = system.server_user(), backed_up.cairn.config
    os.chown(config, 0, user.pw_gid if gid == "server" else 0)
    config.chmod(mode)
    nobody = pwd.getpwnam("nobody")
    for folder in config.parents:
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)
    done = subprocess.run(backed_up.cairn.command("info"), capture_output=True, text=True, check=False, user=nobody.pw_uid,
                          group=nobody.pw_gid, extra_groups=[])
    assert done.returncode == 2 and "chown" not in done.stderr, done.stderr
    assert hint.format(user=user.pw_name, config=config) in done.stderr, done.stderr


def test_a_state_path_that_is_roots_is_named_with_its_owner(backed_up):
    state = backed_up.cairn.state_path
    state.mkdir(exist_ok=True)
    chown_all(state, 0, 0)
    state.chmod(0o750)
    refused = backed_up.cairn.run("backup")
    assert refused.code == 1 and "state-path belongs to root, and pgcairn runs as postgres" in refused.err, refused
    subprocess.run(["sh", "-c", refused.err.partition("pgcairn runs as postgres: ")[2].splitlines()[0]], check=True)
    backed_up.cairn.ok("backup")


def given_lines(said):
    """The lines for a shell in the hint of a refusal: chown and sudo."""
    lines = said.splitlines()
    give = [line.partition(" the repository: ")[2] for line in lines if "hint: give " in line]
    return give, [line.partition("run it as the right one: ")[2] for line in lines if "run it as the right one: " in line]


@pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed")
def test_owners_that_differ_are_refused_with_commands_that_work(backed_up):
    stanza = backed_up
    stanza.cluster.stop()
    stanza.cairn.config.chmod(0o644)
    nobody = pwd.getpwnam("nobody")
    label = stanza.label
    for args in (["verify"], ["hold", label, "--reason=it's \"me\" & $HOME"], ["annotate", label, "a=b c"], ["expire", "--keep-last=9"]):
        chown_all(stanza.repo, nobody.pw_uid, nobody.pw_gid)
        before = compare.tree_state(stanza.repo)
        refused = as_root(stanza, *args, env={"PGCAIRN_LOG_LEVEL": "detail"})
        assert refused.returncode == 2, refused.stderr
        assert f'repository "{stanza.repo}" belongs to nobody' in refused.stderr and "belongs to postgres" in refused.stderr
        assert compare.tree_state(stanza.repo) == before
        (give,), (line,) = given_lines(refused.stderr)
        assert line.startswith("sudo --preserve-env=PGCAIRN_LOG_LEVEL -u postgres ")
        subprocess.run(["sh", "-c", give], check=True)
        done = system.run(["sh", "-c", line], check=False, as_server=False, env={"PGCAIRN_LOG_LEVEL": "error"})
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert owners(stanza.repo) == server()


def test_a_cluster_whose_owner_has_no_name_is_restored_for_the_number(make_stanza):
    stanza = make_stanza(15)
    cluster, home = stanza.cluster, stanza.home
    cluster.stop()
    stanza.cairn.tables["stanza.main"]["pg-socket-path"] = home
    stanza.cairn.tables["global"]["start-fast"] = True
    stanza.cairn.save()
    chown_all(home, NAMELESS, NAMELESS)

    def as_nameless(*command):
        done = subprocess.run(["setpriv", f"--reuid={NAMELESS}", f"--regid={NAMELESS}", "--clear-groups", *map(str, command)],
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd="/")
        assert done.returncode == 0, done
    pg_ctl = (cluster.install.bin / "pg_ctl", "-D", cluster.data, "-w")
    as_nameless(*pg_ctl, "-l", home / "nameless.log", "-o", f"-p {cluster.port} -k {home}", "start")
    try:
        as_nameless(*stanza.cairn.command("stanza-create"))
        as_nameless(*stanza.cairn.command("backup"))
    finally:
        as_nameless(*pg_ctl, "-m", "fast", "stop")
    done = as_root(stanza, "restore", f"--pg-path={home / 'copy'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"had no name: the restored files belong to the number {NAMELESS}") == 1
    assert owners(home / "copy") == {(NAMELESS, NAMELESS)}


def test_a_cluster_of_a_number_without_a_name_is_named_with_chown_alone(backed_up):
    stanza = backed_up
    stanza.cluster.stop()
    stanza.cairn.config.chmod(0o644)
    chown_all(stanza.cluster.data, NAMELESS, NAMELESS)
    refused = as_root(stanza, "hold", stanza.label, "--reason=x")
    assert refused.returncode == 2 and "sudo" not in refused.stderr, refused.stderr
    (give,), lines = given_lines(refused.stderr)
    assert lines == [] and f"chown -R {NAMELESS}:{NAMELESS} " in give
    subprocess.run(["sh", "-c", give], check=True)
    done = as_root(stanza, "hold", stanza.label, "--reason=x")
    assert done.returncode == 0, done.stderr
    user = system.server_user()
    chown_all(stanza.cluster.data, user.pw_uid, user.pw_gid)


def test_a_repository_that_shows_another_owner_is_used_by_the_servers_user(doubled):
    """As NFS with all_squash and CIFS show it: who owns the files is not who may use them."""
    stanza = doubled
    stanza.cairn.config.chmod(0o644)
    user, nobody = system.server_user(), pwd.getpwnam("nobody")
    label = stanza.backup("--repo=all")["label"]
    print(f"seed {SEED}")
    choices = random.Random(SEED)
    writers = [["verify"], ["check"], ["backup", "--repo=all"], ["hold", label, "--reason=x"], ["expire", "--keep-last=9"]]
    readers = [["info"], ["repo-ls", "--repo=local"], ["key-list", "--repo=other"], ["health"]]
    for _ in range(3):
        uid = choices.choice([nobody.pw_uid, NAMELESS, 2000])
        by_group = choices.choice([True, False])
        places = choices.choice([[stanza.repo], [stanza.other], [stanza.repo, stanza.other]])
        for place in places:
            chown_all(place, uid, user.pw_gid if by_group else uid)
            subprocess.run(["chmod", "-R", "u=rwX,g=rwX,o=" if by_group else "a=rwX", str(place)], check=True)
        for args in [choices.choice(readers), *choices.sample(writers, 3)]:
            told = f"seed {SEED}: {places} of {uid}, by group {by_group}: {args[0]}"
            done = as_root(stanza, *args)
            assert done.returncode == 0 or args[0] == "health", f"{told}\n{done.stdout}{done.stderr}"
            assert "running as postgres, the owner of " in done.stderr, f"{told}\n{done.stderr}"
            made = owners(stanza.repo, stanza.other, stanza.cairn.state_path)
            assert {owner for owner, _ in made} <= {uid, user.pw_uid}, told
        # What may be read only is read, and not written.
        for place in places:
            subprocess.run(["chmod", "-R", "go-w", str(place)], check=True)
        for args in readers:
            done = as_root(stanza, *args)
            assert (done.returncode == 0 or args[0] == "health") and "running as postgres" in done.stderr, f"{args}\n{done.stderr}"
        refused = as_root(stanza, "hold", label, "--reason=x")
        assert refused.returncode == 2 and " -u postgres " in refused.stderr and "#" not in refused.stderr, refused.stderr
        for place in (stanza.repo, stanza.other):
            chown_all(place, user.pw_uid, user.pw_gid)
            subprocess.run(["chmod", "-R", "u=rwX,g=rX,o=", str(place)], check=True)


def test_a_repository_that_cannot_be_looked_at_has_no_say(doubled):
    """A link that leads to itself fails like the directory of a server that is gone: with neither "absent" nor "forbidden"."""
    stanza = doubled
    stanza.backup("--repo=all")
    shutil.rmtree(stanza.other)
    stanza.other.symlink_to(stanza.other)
    done = as_root(stanza, "info", "--repo=local")
    assert done.returncode == 0, done.stderr
    done = as_root(stanza, "backup", "--repo=all")
    assert f'cannot examine "{stanza.other}' in done.stderr and "running as postgres" in done.stderr, done.stderr
    assert len(stanza.cairn.ok("repo-ls", "--repo=local", f"{stanza.name}/backup/").out.split()) >= 2
    assert owners(stanza.repo, stanza.cairn.state_path) == server()
    # Where nothing else says as whom, root does not go on as root.
    del stanza.cairn.tables["repo.local"]
    stanza.cairn.save()
    stanza.cluster.stop()
    shutil.rmtree(stanza.cluster.data)
    shutil.rmtree(stanza.cairn.state_path)
    done = as_root(stanza, "stop", "--reason=x")
    assert done.returncode == 1 and "cannot examine" in done.stderr, done.stderr
    assert not stanza.cairn.state_path.exists()


def test_any_owner_that_all_is_of_is_taken_and_any_difference_refused(backed_up):
    """Postgres, root (as in containers where everything is root's), nobody, and a number without a name, at random."""
    stanza = backed_up
    segment = archived_segment(stanza)
    stanza.cluster.stop()
    stanza.cairn.config.chmod(0o644)
    user, nobody = system.server_user(), pwd.getpwnam("nobody")
    accounts = [(user.pw_uid, user.pw_gid), (0, 0), (nobody.pw_uid, nobody.pw_gid), (NAMELESS, 0)]
    print(f"seed {SEED}")
    choices = random.Random(SEED)
    pairs = [(one, one) for one in accounts] + [tuple(choices.sample(accounts, 2)) for _ in range(6)]
    choices.shuffle(pairs)
    for of_repo, of_data in pairs:
        chown_all(stanza.repo, *of_repo)
        chown_all(stanza.cluster.data, *of_data)
        shutil.rmtree(stanza.cairn.state_path, ignore_errors=True)
        writers = [["verify"], ["archive-push", segment], ["hold", stanza.label, "--reason=x"], ["stop"], ["annotate", stanza.label, "a=b"]]
        choices.shuffle(writers)
        for args in writers:
            told = f"seed {SEED}: repository {of_repo}, data {of_data}: {args[0]}"
            done = as_root(stanza, *args)
            refused = 1 if args[0] == "archive-push" else 2  # PostgreSQL asks the former
            assert done.returncode == (0 if of_repo == of_data else refused), f"{told}\n{done.stderr}"
            places = [stanza.repo, stanza.cluster.data] + [p for p in [stanza.cairn.state_path] if p.exists()]
            assert owners(*places) == {of_repo, of_data}, told
            if of_repo == of_data and args[0] == "stop":
                assert as_root(stanza, "start").returncode == 0
    chown_all(stanza.cluster.data, user.pw_uid, user.pw_gid)

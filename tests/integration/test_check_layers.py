"""scripts/check_layers complains about what the table of rooms forbids, and only about that."""
import subprocess
import sys

import pytest

from support.system import CHECKOUT


def check(root, files):
    """(exit status, output) of check_layers over a tree of {path: text}."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run([sys.executable, CHECKOUT / "scripts/check_layers", "--root", root],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


GOOD = {
    "include/pgcairn/common/bytes.hpp": "#pragma once\n#include <cstdint>\n",
    "include/pgcairn/repo/pack.hpp": "#pragma once\n#include <pgcairn/common/bytes.hpp>\n",
    "src/common/text.cpp": '#include "text_private.hpp"\n\n#include <fmt/format.h>\n',
    "src/common/text_private.hpp": "#pragma once\n",
    "src/repo/pack.cpp": "#include <pgcairn/repo/pack.hpp>\n#include <pgcairn/storage/driver.hpp>\n",
    "src/postgres/connection.cpp": "#include <libpq-fe.h>\n",
    "src/main.cpp": "#include <pgcairn/command/run.hpp>\n",
    "src/storage/key.hpp": "#pragma once\n",
    "include/pgcairn/engine/restore/restore.hpp": "#pragma once\n#include <pgcairn/engine/wal/reach.hpp>\n",
    "src/engine/drill/drill.cpp": "#include <pgcairn/engine/restore/restore.hpp>\n",
    "src/storage/http/client.hpp": '#pragma once\n#include "key.hpp"\n',
    "src/storage/s3/s3.cpp": '#include "http/client.hpp"\n#include "key.hpp"\n',
}


def test_a_tree_that_keeps_the_rules_passes(tmp_path):
    assert check(tmp_path, GOOD)[0] == 0


@pytest.mark.parametrize("name, line, said", [
    ("src/repo/a.cpp", "#include <pgcairn/postgres/lsn.hpp>", "repo may not include postgres"),
    ("src/postgres/a.cpp", "#include <pgcairn/repo/pack.hpp>", "postgres may not include repo"),
    ("include/pgcairn/common/a.hpp", "#  include <pgcairn/engine/backup.hpp>", "common may not include engine"),
    ("src/storage/a.cpp", "#include <pgcairn/compress/codec.hpp>", "storage may not include compress"),
    ("src/main.cpp", "#include <pgcairn/engine/backup.hpp>", "main may not include engine"),
    ("src/engine/a.cpp", '#include "../common/text_private.hpp"', "not a private header of engine"),
    ("src/engine/a.cpp", '#include "text_private.hpp"', "not a private header of engine"),
    ("src/engine/a.cpp", "#include <common/text_private.hpp>", "private headers"),
    ("src/engine/a.cpp", "#include <fmt/format.h>", "only common"),
    ("src/engine/a.cpp", "#include <simdjson.h>", "only common"),
    ("src/repo/a.cpp", "#include <openssl/evp.h>", "only crypto"),
    ("src/repo/a.cpp", "#include <xxhash.h>", "only crypto"),
    ("src/repo/a.cpp", "#include <zstd.h>", "only compress"),
    ("src/repo/a.cpp", "#include <zlib.h>", "only compress"),
    ("src/repo/a.cpp", "#include <lz4frame.h>", "only compress"),
    ("src/engine/a.cpp", "#include <curl/curl.h>", "only storage"),
    ("src/engine/a.cpp", "#include <pugixml.hpp>", "only storage"),
    ("src/engine/a.cpp", "#include <libpq-fe.h>", "only postgres"),
    ("src/engine/a.cpp", "#include <CLI/CLI.hpp>", "only command"),
    ("src/engine/a.cpp", "#include <toml++/toml.h>", "only command"),
    ("src/attic/a.cpp", "", "lies in no room"),
    ("src/engine/a.cpp", "#include <pgcairn/attic/a.hpp>", "not a room"),
    ("src/common/attic/a.cpp", "", "lies in no folder of common"),
    ("src/storage/attic/a.cpp", "", "lies in no folder of storage"),
    ("src/engine/verify/a.cpp", "#include <pgcairn/engine/restore/restore.hpp>",
     "engine/verify may not include engine/restore"),
    ("include/pgcairn/engine/wal/reach.hpp", "#include <pgcairn/engine/restore/restore.hpp>",
     "engine/wal may not include engine/restore"),
    ("src/storage/http/a.cpp", "#include <pgcairn/storage/s3/a.hpp>", "storage/http may not include storage/s3"),
    ("src/storage/posix/a.cpp", '#include "http/client.hpp"', "storage/posix may not include storage/http"),
    ("src/storage/a.cpp", '#include "http/client.hpp"', "storage may not include storage/http"),
    ("include/pgcairn/storage/a.hpp", "#include <pgcairn/storage/s3/a.hpp>", "storage may not include storage/s3"),
])
def test_each_violation_is_named(tmp_path, name, line, said):
    status, output = check(tmp_path, GOOD | {name: f"\n{line}\n"})
    assert status == 1
    assert name in output and said in output
    assert "1 complaints" in output

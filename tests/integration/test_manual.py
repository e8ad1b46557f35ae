"""The manual as a reader sees it: each page rendered, each command in the lists. Needs no server."""
import re

import pytest

from support import system

PAGES = sorted((system.CHECKOUT / "man").iterdir())
MACROS = "Ap Ar Bd Bl Brc Bro Cm Dl Dq Ed El Em Fl Ic Li Nm Ns Op Oc Oo Pa Pc Po Pp Pq Ql Qq Sc Sh Sq Ss Sx Sy Ta Va Xr"


def rendered(page):
    """As man shows it, without hyphenation, and in plain characters."""
    done = system.run(["mandoc", "-T", "ascii", "-O", "width=100", page])
    return re.sub(".\b", "", done.stdout)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_macro_is_left_in_a_page(page):
    """A macro in the middle of a text line, and a space before a comma, are slips in the source."""
    for line in rendered(page).splitlines():
        if line.startswith("     " + "      "):  # examples and tables have a typography of their own
            continue
        assert not re.search(rf"(^|\s)({'|'.join(MACROS.split())})\s", line), line
        assert not re.search(r"\w\)? [,;](\s|$)", line), line


def test_the_first_example_is_whole():
    page = rendered(system.CHECKOUT / "man/pgcairn.1")
    assert "'pgcairn --stanza=main archive-push %p'\"" in page, page


def test_every_command_is_in_the_lists(binary):
    help_text = system.run([binary, "help"]).stdout
    verbs = re.findall(r"^  ([a-z][a-z-]+)  ", help_text, re.M)
    assert len(verbs) > 25 and "archive-push" in verbs, help_text
    readme = (system.CHECKOUT / "README.md").read_text()
    description, see_also = (system.CHECKOUT / "man/pgcairn.1").read_text().split(".Sh SEE ALSO")
    for verb in verbs:
        assert f"Xr pgcairn-{verb} 1" in description, verb
        assert f".Xr pgcairn-{verb} 1" in see_also, verb
        assert re.search(rf"(?<![\w-]){verb}(?![\w-])", readme), verb

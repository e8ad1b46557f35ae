"""report: one page that a real browser shows as meant, with what is true of the stanza, and nothing asked for or said."""
import shutil

import pytest

from support import damage, records, system
from support.browser import Browser

# What sticks out to the right of the window, but for what scrolls by itself.
OVERFLOW = """
(() => {
  const page = document.documentElement;
  const out = [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg')
    && e.getBoundingClientRect().right > page.clientWidth + 1).map(e => e.outerHTML.slice(0, 80));
  return page.scrollWidth > page.clientWidth ? ['the page scrolls', ...out] : out;
})()
"""
# Text that cannot be told from what is behind it: the luminance of both, by WCAG.
CONTRAST = """
(() => {
  const parts = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = light(parts(getComputedStyle(document.body).backgroundColor));
  return [...document.querySelectorAll('body *')].filter(e => e.childNodes.length && e.innerText && !e.closest('svg'))
    .map(e => { const ink = light(parts(getComputedStyle(e).color));
      return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); }).reduce((a, b) => Math.min(a, b), 21);
})()
"""


@pytest.fixture(scope="module")
def browser():
    assert shutil.which("chromium"), "there is no chromium: run scripts/install-deps test"
    with Browser() as chromium:
        yield chromium


def texts(browser, selector):
    return browser.evaluate(f"[...document.querySelectorAll({selector!r})].map(e => e.innerText || e.textContent)")


def test_the_page_in_a_browser(stanza15, browser):
    cluster = stanza15.cluster
    cluster.rows("CREATE TABLE t AS SELECT 1 AS x")
    first = stanza15.backup()["label"]
    cluster.rows("INSERT INTO t VALUES (2)")
    gap = cluster.wait_for_archived()
    cluster.wait_for_archived()
    damage.remove(stanza15.wal_object(gap))
    second = stanza15.backup(type="incr")["label"]
    cluster.wait_for_archived()
    records.add(stanza15, "hold", backup=first, reason="<script>document.title = 'taken over'</script>")
    records.add(stanza15, "note", backup=first, name="<img src=http://example.org/x>", text="\"><b>bold</b>")
    records.verify(stanza15, [first, second], damaged=[second])
    records.drill(stanza15, first, good=False)
    page = stanza15.home / "report.html"
    stanza15.cairn.ok("report", f"--file={page}")
    assert stanza15.cairn.ok("report").out.splitlines()[0] == page.read_text().splitlines()[0] == "<!DOCTYPE html>"

    for width, dark in ((1280, False), (1280, True), (360, False)):
        browser.open(page, width, dark)
        assert browser.complaints() == []
        # The icon is empty, and in the page itself.
        assert [url for url in browser.requests() if url not in (f"file://{page}", "data:,")] == []
        assert browser.evaluate(OVERFLOW) == []
        assert browser.evaluate(CONTRAST) >= 4.5
    assert browser.evaluate("document.title") == "pgcairn report"
    assert texts(browser, "h1") == ["pgcairn report"]
    assert texts(browser, "h2") == ["Stanza main"] and texts(browser, "h3") == ["Repository local (posix)"]
    assert texts(browser, "h4") == ["Restorable", "Backups", "Verify and drill", "Growth"]
    assert browser.evaluate("document.querySelectorAll('script, img, b, iframe, [onclick]').length") == 0

    # The windows, with their gap; the backups with what is known of them; both runs.
    windows, backups, runs = texts(browser, "table")
    assert f"gap: {gap} is missing" in windows
    assert [label for label in texts(browser, "table th[scope=row]") if label in (first, second)] == [first, second]
    assert "held: <script>document.title = 'taken over'</script>" in backups and '"><b>bold</b>' in backups
    assert "found damaged by verify" in backups
    assert "an <index> is out of step" in runs and "1 damaged" in runs and "not good" in runs
    assert len(texts(browser, "rect.window")) == 2 and len(texts(browser, "rect.bad")) == 1
    assert [title.split(":")[0] for title in texts(browser, "figure:first-of-type rect title")] == [first, second]
    assert "less than a day" in browser.evaluate("document.body.innerText")

    # For those who hear it: every drawing has a name, every table headings and a caption.
    assert browser.evaluate("[...document.querySelectorAll('svg')].every(e => e.getAttribute('aria-label'))")
    assert browser.evaluate("[...document.querySelectorAll('table')].every(e => e.caption && e.tHead.querySelector('th[scope=col]'))")
    assert browser.evaluate("document.documentElement.lang") == "en"


def test_the_browser_would_notice(home, browser):
    """The checks above can fail."""
    page = system.write(home / "bad.html", "<body style='margin:0;background:#fff'><p style='width:3000px;color:#eee'>wide</p>"
                        "<script>console.log('said'); missing()</script><img src='http://127.0.0.1:9/x.png'>", 0o644)
    browser.open(page)
    assert len(browser.complaints()) >= 2
    assert "http://127.0.0.1:9/x.png" in browser.requests()
    assert browser.evaluate(OVERFLOW) and browser.evaluate(CONTRAST) < 2


def test_what_cannot_be_read_is_told_on_the_page(backed_up):
    backed_up.repo.chmod(0)
    result = backed_up.cairn.run("report", "--stanza=main")
    backed_up.repo.chmod(0o750)
    assert result.code == 1 and "cannot be read" in result.out and "Permission denied" in result.out
    missing = backed_up.cairn.run("report", "--stanza=none")
    assert missing.code == 10 and missing.out == ""

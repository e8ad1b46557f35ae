"""A table that tests fill while they run, and pytest prints at the end: version by target, pass or why not.

Tests may run in several processes. What they say travels with their reports, as user properties, to the one that prints."""

CELLS = {}  # {(row, column): "pass" or why not}
NOTES = {}  # {row: {sentence: None}}, in order
LINES = []  # said below the table


SAID = []  # in this process, not yet handed to a report


def note(row, sentence):
    """Say something about a row of the table."""
    SAID.append(("note", [row, sentence]))


def line(sentence):
    """Have a line of its own printed below the table."""
    SAID.append(("line", sentence))


def hand_over(item):
    """Let the next report of this test carry what was said."""
    item.user_properties += SAID
    SAID.clear()


def collect(report):
    """Take what a test's report carries."""
    if report.when != "teardown":  # each report carries all that was said up to then
        return
    for name, value in report.user_properties:
        if name == "note":
            NOTES.setdefault(value[0], {})[value[1]] = None
        elif name == "line":
            LINES.append(value)


def outcome(report):
    """Take the outcome of a cell's test. The setup counts when it fails, the call otherwise."""
    cell = next((tuple(value) for name, value in report.user_properties if name == "cell"), None)
    if cell is None or (report.passed and report.when != "call"):
        return
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        why = (crash.message if crash else str(report.longrepr)).strip().splitlines() or [""]
        CELLS[cell] = f"FAILED in {report.when}: {why[0][:100]}"
    elif report.skipped:
        CELLS[cell] = "skipped: " + str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    else:
        CELLS.setdefault(cell, "pass")


def table():
    """The lines of the table. What is no "pass" has a number, and is told below."""
    rows = list(dict.fromkeys(row for row, _ in CELLS))
    columns = sorted(dict.fromkeys(column for _, column in CELLS))
    reasons = {}

    def shown(row, column):
        cell = CELLS.get((row, column), "not run")
        return cell if cell == "pass" else f"[{reasons.setdefault(cell, len(reasons) + 1)}]"
    widths = [max(5, len(column)) for column in columns]
    first = max((len(row) for row in rows), default=0)
    lines = [" ".join(["version".ljust(first), *(c.ljust(w) for c, w in zip(columns, widths))]).rstrip()] if rows else []
    for row in sorted(rows):
        lines.append(" ".join([row.ljust(first), *(shown(row, c).ljust(w) for c, w in zip(columns, widths))]).rstrip())
    lines += [f"[{number}] {reason}" for reason, number in reasons.items()]
    lines += [f"{row}: {'; '.join(NOTES[row])}" for row in sorted(NOTES)]
    return lines + LINES

"""A table that a test fills while it runs, and pytest prints at the end: version by target, pass or why not."""

CELLS = {}  # {(row, column): "pass" or why not}
NOTES = {}  # {row: {sentence: None}}, in order
LINES = []  # said below the table


def note(row, sentence):
    NOTES.setdefault(row, {})[sentence] = None


def outcome(row, column, report):
    """Take a pytest report of a cell's test. The setup counts when it fails, the call otherwise."""
    if report.passed and report.when != "call":
        return
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        why = (crash.message if crash else str(report.longrepr)).strip().splitlines() or [""]
        CELLS[row, column] = f"FAILED in {report.when}: {why[0][:100]}"
    elif report.skipped:
        CELLS[row, column] = "skipped: " + str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    else:
        CELLS.setdefault((row, column), "pass")


def table():
    """The lines of the table. What is no "pass" has a number, and is told below."""
    rows = list(dict.fromkeys(row for row, _ in CELLS))
    columns = list(dict.fromkeys(column for _, column in CELLS))
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

"""What an audit found, as a short table for the terminal."""

from rich.table import Table
from rich.text import Text

from vedette_train.data.audit import KINDS, Audit


def table(audit: Audit) -> Table:
    """A row for each kind of finding: how many, an example, and what to do."""
    rows = Table("found", "", "for example", "what to do", box=None, pad_edge=False)
    rows.columns[1].justify = "right"
    for kind, count in audit.counts().items():
        first = next(finding for finding in audit.findings if finding.kind == kind)
        example = shown(" ".join(first.files[:2]) or first.detail)
        rows.add_row(
            KINDS[kind].title, str(count), Text(example, overflow="fold"), KINDS[kind].advice
        )
    return rows


def shown(text: str) -> str:
    """A file's name without what could command the terminal."""
    return text if text.isprintable() else repr(text)[1:-1]

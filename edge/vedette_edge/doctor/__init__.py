"""The doctor: what is wrong with this machine, this model and this camera, and what mends it."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

OK, WARNING, FAULT = "ok", "warning", "fault"
_STYLES = {OK: "green", WARNING: "yellow", FAULT: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and how it is."""

    subject: str
    level: str  # OK, WARNING: it works but may not for long, or FAULT
    detail: str
    fix: str = ""  # the command, or what a hand must do; empty where `found` says enough


def as_text(findings: Sequence[Finding]) -> Text:
    """For a person: a line each, and the remedy on a line of its own, to be copied."""
    lines = []
    for one in findings:
        line = Text.assemble(
            (f"{one.level:<8} ", _STYLES[one.level]), f"{one.subject:<10} {one.detail}"
        )
        if one.fix:
            line.append(f"\n{'':<20}{one.fix}", "bold")
        lines.append(line)
    return Text("\n").join(lines)

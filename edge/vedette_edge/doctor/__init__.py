"""The checks of `vedette check`: what is wrong with machine, model and camera, and the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.table import Table
from rich.text import Text

from vedette_edge.console import escape_lines, escape_unprintable

OK, WARNING, FAULT = "ok", "warning", "fault"
_STYLES = {OK: "green", WARNING: "yellow", FAULT: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str
    level: str  # OK, WARNING: works, but perhaps not for long, or FAULT
    detail: str
    fix: str = ""  # a command, or what to do by hand; empty if `detail` says enough


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The findings about a model, and its samples as a table and as JSON data."""

    findings: Sequence[Finding] = ()
    table: Table | None = None
    data: Mapping[str, object] = field(default_factory=lambda: {"equal": False, "samples": []})


def render_findings(findings: Sequence[Finding]) -> Text:
    """Render a line per finding; a fix has its own line, ready to copy."""
    lines = []
    for finding in findings:
        level = f"{finding.level:<8} ", _STYLES[finding.level]
        # It may quote a stranger's file, which cannot forge a finding: further lines are indented.
        detail = escape_lines(finding.detail).replace("\n", f"\n{'':<20}")
        line = Text.assemble(level, f"{finding.subject:<10} {detail}")
        if finding.fix:
            line.append(f"\n{'':<20}{escape_unprintable(finding.fix)}", "bold")
        lines.append(line)
    return Text("\n").join(lines)

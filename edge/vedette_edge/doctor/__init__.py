"""The checks of `vedette check`: what is wrong with machine, model and camera, and the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette_edge.console import escape_lines, escape_unprintable

OK, WARNING, FAULT = "ok", "warning", "fault"
INDENT = 20  # columns before a detail
MIN_COLUMNS = 2 * INDENT
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
    labels: Sequence[str] = ()  # that it can answer; empty if it does not load
    data: Mapping[str, object] = field(default_factory=lambda: {"equal": False, "samples": []})


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print a line per finding; a fix has its own line, ready to copy.

    Further lines are indented: a stranger's file, which a finding may quote, cannot forge one.
    """
    for finding in findings:
        level = f"{finding.level:<8} ", _STYLES[finding.level]
        width = max(console.width, MIN_COLUMNS) - INDENT
        lines = Text(escape_lines(finding.detail)).wrap(console, width)
        detail = Text(f"\n{'':<{INDENT}}").join(lines)
        console.print(Text.assemble(level, f"{finding.subject:<10} ", detail))
        if finding.fix:
            fix = f"{'':<{INDENT}}{escape_unprintable(finding.fix)}"
            console.print(fix, style="bold", soft_wrap=True)

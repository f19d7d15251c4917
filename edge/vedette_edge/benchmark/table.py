"""What `vedette bench` measured, as tables for a person: a column a number of threads."""

from collections.abc import Callable, Sequence

from rich.box import SIMPLE
from rich.table import Table

from vedette_edge.benchmark.bare import Spread
from vedette_edge.benchmark.recorder import ProcessUsage, Snapshot
from vedette_edge.benchmark.runner import Comparison, Measurement

Row = tuple[Measurement, Comparison | None]


def render_stages(rows: Sequence[Row]) -> Table:
    """Percentiles of each stage, of the age, and of bare invoke and resize with it, in ms."""
    table = _table("p50 p95 p99, ms", rows)
    for stage in rows[0][0].stages_ms:
        table.add_row(stage, *(_three(watched.stages_ms[stage]) for watched, _ in rows))
    table.add_section()
    table.add_row("age when logged", *(_three(watched.age_ms) for watched, _ in rows))
    table.add_section()
    table.add_row("bare invoke", *(_three(them.bare.invoke_ms) if them else "" for _, them in rows))
    table.add_row(
        "resize and invoke", *(_three(them.bare.both_ms) if them else "" for _, them in rows)
    )
    return table


def render_figures(rows: Sequence[Row]) -> Table:
    """All else."""
    table = _table("", rows)
    for name, of_watch in WATCHED.items():
        table.add_row(name, *(of_watch(watched) for watched, _ in rows))
    table.add_section()
    for name, of_both in COMPARED.items():
        table.add_row(name, *(of_both(them) if them else "" for _, them in rows))
    return table


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column(title)
    for watched, _ in rows:
        table.add_column(f"{watched.threads} thread{'s' * (watched.threads > 1)}", justify="right")
    return table


def _three(spread: Spread) -> str:
    return f"{spread.p50:5.2f} {spread.p95:5.2f} {spread.p99:5.2f}"


def _memory(load: ProcessUsage) -> str:
    if load.rss_mb is None or load.pss_mb is None:
        return "unknown"
    return f"{load.rss_mb:.1f} ({load.pss_mb:.1f})"


def _health(moment: Snapshot) -> str:
    fields = moment.health
    known = [f"{fields['temperature_c']:.0f} °C"] if "temperature_c" in fields else []
    return ", ".join([*known, str(fields.get("throttled", ""))]).strip(", ") or "unknown"


WATCHED: dict[str, Callable[[Measurement], str]] = {
    "frames/s": lambda it: f"{it.fps:.1f}",
    "frames, dropped": lambda it: f"{it.frames}, {it.dropped}",
    "all but invoke, µs a frame": lambda it: f"{it.else_us:.0f}",
    "CPU, ms a frame": lambda it: f"{it.cpu_ms:.2f}",
    "CPU share, watch + capture": lambda it: " + ".join(
        f"{share:.0%}" for share in it.cpu_share.values()
    ),
    "watch, MB RSS (PSS), start": lambda it: _memory(it.start.watch),
    "watch, end": lambda it: _memory(it.end.watch),
    "capture, start": lambda it: _memory(it.start.capture),
    "capture, end": lambda it: _memory(it.end.capture),
    "temperature, start": lambda it: _health(it.start),
    "temperature, end": lambda it: _health(it.end),
}
COMPARED: dict[str, Callable[[Comparison], str]] = {
    "bare invokes/s": lambda it: f"{it.bare.invokes_per_s:.1f}",
    "resizes and invokes/s": lambda it: f"{it.bare.both_per_s:.1f}",
    "the watch's rate, of that": lambda it: f"{it.rate_ratio:.0%}",
    "CPU of these, ms a frame": lambda it: f"{it.cpu_ms:.2f}",
    "the watch's CPU, of that": lambda it: f"{it.cpu_ratio:.0%}",
}

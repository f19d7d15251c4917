"""Tables of `vedette bench`, with a column for each number of threads."""

from collections.abc import Callable, Sequence

from rich.box import SIMPLE
from rich.table import Table

from vedette_edge.benchmark.baseline import Spread
from vedette_edge.benchmark.recorder import ProcessUsage, Snapshot
from vedette_edge.benchmark.runner import Comparison, Measurement


def render_stages(watches: Sequence[Measurement]) -> Table:
    """Render the percentiles of stages, age and baseline, in ms."""
    table = _create_table("p50 p95 p99, ms", watches)
    for stage in watches[0].stages_ms:
        table.add_row(stage, *(_format_spread(watch.stages_ms[stage]) for watch in watches))
    table.add_section()
    table.add_row("age when logged", *(_format_spread(watch.age_ms) for watch in watches))
    table.add_section()
    baselines = [watch.compared and watch.compared.bare for watch in watches]
    invoke = (_format_spread(one.invoke_ms) if one else "" for one in baselines)
    both = (_format_spread(one.both_ms) if one else "" for one in baselines)
    table.add_row("bare invoke", *invoke)
    table.add_row("resize and invoke", *both)
    return table


def render_figures(watches: Sequence[Measurement]) -> Table:
    """Render all other figures."""
    table = _create_table("", watches)
    for name, format_watch in WATCHED.items():
        table.add_row(name, *map(format_watch, watches))
    table.add_section()
    for name, format_comparison in COMPARED.items():
        compared = (watch.compared for watch in watches)
        table.add_row(name, *(format_comparison(one) if one else "" for one in compared))
    return table


def _create_table(title: str, watches: Sequence[Measurement]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column(title)
    for watch in watches:
        table.add_column(f"{watch.threads} thread{'s' * (watch.threads > 1)}", justify="right")
    return table


def _format_spread(spread: Spread) -> str:
    return f"{spread.p50:5.2f} {spread.p95:5.2f} {spread.p99:5.2f}"


def _format_memory(usage: ProcessUsage) -> str:
    if usage.rss_mb is None or usage.pss_mb is None:
        return "unknown"
    return f"{usage.rss_mb:.1f} ({usage.pss_mb:.1f})"


def _format_health(snapshot: Snapshot) -> str:
    fields = snapshot.health
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
    "watch, MB RSS (PSS), start": lambda it: _format_memory(it.start.watch),
    "watch, end": lambda it: _format_memory(it.end.watch),
    "capture, start": lambda it: _format_memory(it.start.capture),
    "capture, end": lambda it: _format_memory(it.end.capture),
    "temperature, start": lambda it: _format_health(it.start),
    "temperature, end": lambda it: _format_health(it.end),
}
COMPARED: dict[str, Callable[[Comparison], str]] = {
    "bare invokes/s": lambda it: f"{it.bare.invokes_per_s:.1f}",
    "resizes and invokes/s": lambda it: f"{it.bare.both_per_s:.1f}",
    "the watch's rate, of that": lambda it: f"{it.rate_ratio:.0%}",
    "CPU of these, ms a frame": lambda it: f"{it.cpu_ms:.2f}",
    "the watch's CPU, of that": lambda it: f"{it.cpu_ratio:.0%}",
}

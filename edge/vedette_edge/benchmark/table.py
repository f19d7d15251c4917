"""Tables of `vedette bench`, with a column for each number of threads."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from rich.console import Group
from rich.table import Table
from rich.text import Text

from vedette_edge.benchmark.recorder import ProcessUsage, Snapshot
from vedette_edge.benchmark.runner import Comparison, Measurement

FormatFigure = Callable[[Measurement], str]  # empty if there is none
STEPS = {  # name in the table -> in STAGES
    "capture": "capture",
    "resize": "prepare",
    "wait": "handover",
    "model": "invoke",
    "smooth": "decide",
    "log": "log",
}

FASTER = "Frames/s above 100%: the watch resizes the next frame while the model runs."


def render_tables(watches: Sequence[Measurement]) -> Iterator[Group]:
    """Render a table per group, the most important first, without the figures that are missing."""
    for title, figures in GROUPS.items():
        table = _create_table(watches)
        for name, format_figure in figures.items():
            cells = [format_figure(watch) for watch in watches]
            if any(cells):
                table.add_row(name, *cells)
        if table.row_count:
            yield Group(*[Text(title, "bold")] * bool(title), table)
    if any(watch.compared and round(watch.compared.rate_ratio, 2) > 1 for watch in watches):
        yield Group(Text(FASTER))


def _create_table(watches: Sequence[Measurement]) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="none")
    table.add_column("")
    for watch in watches:
        table.add_column(f"{watch.threads} thread{'s' * (watch.threads > 1)}", justify="right")
    return table


def _format_step(stage: str, watch: Measurement) -> str:
    spread = watch.age_ms if stage == "age" else watch.stages_ms[stage]
    return f"{spread.p50:5.2f} {spread.p95:5.2f} {spread.p99:5.2f}"


def _format_total_memory(watch: Measurement) -> str:
    sizes = [usage.pss_mb for usage in (watch.end.watch, watch.end.capture)]
    return f"{sum(filter(None, sizes)):.1f}" if all(sizes) else ""


def _format_memory(usage: ProcessUsage) -> str:
    known = usage.rss_mb is not None and usage.pss_mb is not None
    return f"{usage.rss_mb:.1f} ({usage.pss_mb:.1f})" if known else ""


def _format_health(snapshot: Snapshot) -> str:
    fields = snapshot.health
    known = [f"{fields['temperature_c']:.0f} °C"] if "temperature_c" in fields else []
    return ", ".join([*known, str(fields.get("throttled", ""))]).strip(", ")


def _format_compared(format_figure: Callable[[Comparison], str], watch: Measurement) -> str:
    return format_figure(watch.compared) if watch.compared else ""


SUMMARY: Mapping[str, FormatFigure] = {
    "frames/s": lambda it: f"{it.fps:.1f}",
    "age of a label, ms": lambda it: f"{it.age_ms.p50:.1f}",
    "memory, MB": _format_total_memory,
    "dropped frames": lambda it: f"{it.dropped} of {it.frames + it.dropped}",
}
STEP_TIMES: Mapping[str, FormatFigure] = {
    "": lambda it: "  50%   95%   99%",
    **{name: partial(_format_step, stage) for name, stage in STEPS.items()},
    "picture to label": partial(_format_step, "age"),
}
COST: Mapping[str, FormatFigure] = {
    "time besides the model, µs a frame": lambda it: f"{it.else_us:.0f}",
    "CPU time, ms a frame": lambda it: f"{it.cpu_ms:.2f}",
    "cores in use, watch": lambda it: f"{it.cpu_share['watch']:.2f}",
    "cores in use, capture": lambda it: f"{it.cpu_share['capture']:.2f}",
}
MEMORY: Mapping[str, FormatFigure] = {
    "watch, at the start": lambda it: _format_memory(it.start.watch),
    "watch, at the end": lambda it: _format_memory(it.end.watch),
    "capture, at the start": lambda it: _format_memory(it.start.capture),
    "capture, at the end": lambda it: _format_memory(it.end.capture),
}
HEALTH: Mapping[str, FormatFigure] = {
    "at the start": lambda it: _format_health(it.start),
    "at the end": lambda it: _format_health(it.end),
}
_COMPARED: Mapping[str, Callable[[Comparison], str]] = {
    "model alone, ms": lambda it: f"{it.bare.invoke_ms.p50:.2f}",
    "model alone, frames/s": lambda it: f"{it.bare.invokes_per_s:.1f}",
    "resize, then model, ms": lambda it: f"{it.bare.both_ms.p50:.2f}",
    "resize, then model, frames/s": lambda it: f"{it.bare.both_per_s:.1f}",
    "the watch's frames/s, of that": lambda it: f"{it.rate_ratio:.0%}",
    "resize, then model, CPU time, ms a frame": lambda it: f"{it.cpu_ms:.2f}",
    "the watch's CPU time, of that": lambda it: f"{it.cpu_ratio:.0%}",
}
COMPARED = {name: partial(_format_compared, one) for name, one in _COMPARED.items()}
GROUPS: Mapping[str, Mapping[str, FormatFigure]] = {
    "": SUMMARY,
    "Steps of a frame: 50%, 95% and 99% take at most so many ms": STEP_TIMES,
    "Cost": COST,
    "Memory, MB: RSS (PSS, which divides what processes share)": MEMORY,
    "Temperature and throttling": HEALTH,
    "Without a watch: one process that resizes a frame, then runs the model": COMPARED,
}

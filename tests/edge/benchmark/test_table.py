"""The tables of `vedette bench` fit a terminal, and leave out what is not known."""

import io
from dataclasses import replace

from rich.console import Console

from vedette_edge.benchmark.baseline import Baseline, Spread
from vedette_edge.benchmark.recorder import STAGES, ProcessUsage, Snapshot
from vedette_edge.benchmark.runner import Comparison, Measurement
from vedette_edge.benchmark.table import GROUPS, render_tables

SPREAD = Spread(12.34, 23.45, 34.56)
USAGE = ProcessUsage(10.0, 112.3, 81.2)
SNAPSHOT = Snapshot(0.0, USAGE, USAGE, {"temperature_c": 71.2})
MEASUREMENT = Measurement(
    threads=1,
    camera="640x480 RGB",
    interrupted=False,
    seconds=60.0,
    frames=1234,
    fps=20.6,
    dropped=56,
    stages_ms=dict.fromkeys(STAGES, SPREAD),
    age_ms=SPREAD,
    else_us=1234.5,
    cpu_ms=56.78,
    cpu_share={"watch": 1.5, "capture": 0.25},
    start=SNAPSHOT,
    end=SNAPSHOT,
    compared=Comparison(Baseline(SPREAD, SPREAD, 81.0, 42.6), 1.1, 45.6, 1.2),
)


def render(*measurements: Measurement) -> list[str]:
    """The lines of all tables on a terminal of 80 columns."""
    out = io.StringIO()
    for table in render_tables(measurements):
        Console(file=out, width=80).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_three_numbers_of_threads_fit_a_terminal_without_a_broken_cell() -> None:
    lines = render(*(replace(MEASUREMENT, threads=threads) for threads in (1, 2, 4)))
    names = [name for figures in GROUPS.values() for name in figures]
    titles = [title for title in GROUPS if title]
    assert len(lines) == len(titles) + len(GROUPS) + len(names) + 1
    assert lines[1].split() == ["frames/s", "20.6", "20.6", "20.6"]
    assert "memory, MB" in lines[3]
    assert lines[3].split()[-3:] == ["162.4"] * 3
    assert lines[4].endswith("56 of 1290")


def test_a_watch_that_is_faster_than_resize_and_model_alone_is_explained() -> None:
    """In two processes, it does both at once."""
    why = "Frames/s above 100%: the watch resizes the next frame while the model runs."
    assert MEASUREMENT.compared
    slower = replace(MEASUREMENT, compared=replace(MEASUREMENT.compared, rate_ratio=1.004))
    assert why in render(slower, MEASUREMENT)
    assert why not in render(slower)


def test_what_the_machine_or_an_interrupted_run_does_not_know_is_left_out() -> None:
    unknown = replace(SNAPSHOT, health={}, watch=replace(USAGE, rss_mb=None, pss_mb=None))
    lines = render(replace(MEASUREMENT, start=unknown, end=unknown, compared=None))
    text = "\n".join(lines)
    assert "capture, at the end" in text
    for absent in ("memory, MB", "watch, at the end", "Temperature", "Without a watch", "None"):
        assert absent not in text

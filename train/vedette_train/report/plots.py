"""Plots of a run: samples, curves, confusion and calibration."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from vedette_edge.files import atomic_write
from vedette_edge.images.preprocessing import Image
from vedette_train.evaluation.calibration import Reliability
from vedette_train.evaluation.confusions import find_most_confused
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.run.history import Epoch, find_best
from vedette_train.training.learning_curve import CurvePoint

COLUMNS, MOST_SAMPLES = 10, 50
MOST_NUMBERED = 20  # classes; the cells of a larger confusion matrix have no numbers
MOST_CONFUSED = 60  # classes in the confusion matrix

# Colours in a file, and their replacements in a page, which may be light or dark.
INK, ACCENT, MUTED = "#1d2126", "#0a6b8f", "#868d96"
_IN_A_PAGE = {INK: "currentColor", ACCENT: "var(--accent)", MUTED: "var(--muted)"}
_STYLE = rc_context(
    {
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), INK),
        **dict.fromkeys(("xtick.color", "ytick.color", "grid.color"), INK),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.alpha": 0.12,
        "legend.frameon": False,
        "svg.fonttype": "none",  # text stays text, in the page's font
        "svg.hashsalt": "vedette",  # the same ids in each run
    }
)


def draw_samples(images: Sequence[Image], titles: Sequence[str], path: Path) -> None:
    """Draw a grid of prepared images, as the model sees them, with their labels."""
    columns = min(len(images), COLUMNS)
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.3 * columns, 1.5 * rows))
    axes = figure.add_axes((0, 0, 1, 1))  # one for all images is fast; its units are inches
    axes.axis("off")
    for place, (image, title) in enumerate(zip(images, titles, strict=True)):
        left, top = 1.3 * (place % columns), 1.5 * (place // columns)
        sides = (left + 0.04, left + 1.26, top + 1.46, top + 0.24)
        axes.imshow(image, extent=sides, aspect="auto")
        axes.text(left + 0.65, top + 0.19, _trim_text(title), ha="center", fontsize=8)
    axes.set(xlim=(0, 1.3 * columns), ylim=(1.5 * rows, 0))
    _save(figure, path)


@_STYLE
def draw_curves(history: Sequence[Epoch], path: Path) -> None:
    """Draw accuracy and loss by epoch, with the epoch that is kept."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        _plot_curve(axes, history, measure)
    _save(figure, path)


@_STYLE
def render_curve(history: Sequence[Epoch], measure: str) -> str:
    """Render accuracy or loss by epoch, as an <svg>."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    _plot_curve(figure.subplots(), history, measure)
    return _render_svg(figure, measure)


@_STYLE
def render_learning_curve(points: Sequence[CurvePoint]) -> str:
    """Render accuracy by the number of images per class, with 95 % intervals, as an <svg>."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    counts = [point.pictures for point in points]
    lows = [point.low for point in points]
    highs = [point.high for point in points]
    axes.fill_between(counts, lows, highs, color=ACCENT, alpha=0.15, linewidth=0)
    axes.plot(counts, [point.accuracy for point in points], ".-", color=ACCENT, clip_on=False)
    axes.set(xlabel="pictures a class", ylabel="accuracy", xscale="log")
    axes.set_ylim(None, 1)
    axes.set_xticks(counts, [f"{count:.0f}" for count in counts])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))
    axes.grid()
    return _render_svg(figure, "learning-curve")


@_STYLE
def render_calibration(before: Reliability, after: Reliability) -> str:
    """Render a reliability diagram, as an <svg>: the share of correct answers by score."""
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color=INK, linewidth=0.8, linestyle=":", label="perfect")
    diagrams = ((before, MUTED, "before calibration"), (after, ACCENT, "after calibration"))
    for reliability, colour, caption in diagrams:
        if len(reliability.bins) == 1:
            caption += f": all near {reliability.bins[0].score:.0%}"  # a point instead of a line
        scores = [one.score for one in reliability.bins]
        accuracies = [one.accuracy for one in reliability.bins]
        counts = np.array([one.count for one in reliability.bins])
        axes.plot(scores, accuracies, ".-", color=colour, linewidth=1.2, label=caption)
        axes.scatter(scores, accuracies, 10 + 140 * counts / counts.sum(), color=colour)
    axes.set(xlabel="score", ylabel="right answers", xlim=(0, 1.03), ylim=(0, 1.03))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid()
    axes.legend()
    return _render_svg(figure, "calibration")


def draw_confusion(evaluation: Evaluation, path: Path) -> None:
    """Draw the confusion matrix, as shares of each class.

    Of more than MOST_CONFUSED classes, it shows those with the most mistakes.
    """
    everything = evaluation.count_confusions()
    shown = find_most_confused(everything, MOST_CONFUSED)
    counts = everything[np.ix_(shown, shown)]
    shares = counts / np.maximum(1, everything[shown].sum(axis=1, keepdims=True))
    side = max(5.0, 0.24 * len(shown) + 2)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    axes.set_aspect("equal")
    image = axes.pcolormesh(shares, vmin=0, vmax=1, cmap="Blues", edgecolors="0.9", linewidth=0.4)
    axes.invert_yaxis()
    figure.colorbar(image, shrink=0.6, label="share of the class")
    names = [_trim_text(evaluation.labels[label], 22) for label in shown]
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=90, fontsize=8)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=8)
    if len(shown) <= MOST_NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column + 0.5, row + 0.5, str(count), ha="center", va="center", color=colour)
    title = f"{evaluation.accuracy:.1%} of {len(evaluation.truth)} pictures right"
    if len(shown) < len(evaluation.labels):
        title += f"; the {len(shown)} classes with the most mistakes"
    axes.set(xlabel="answer", ylabel="truth", title=title)
    _save(figure, path)


def _plot_curve(axes: Axes, history: Sequence[Epoch], measure: str) -> None:
    epochs = [epoch.epoch for epoch in history]
    kept = find_best(history).epoch
    curves = ((measure, "training", MUTED), (f"val_{measure}", "validation", ACCENT))
    for name, caption, colour in curves:
        values = [getattr(epoch, name) for epoch in history]
        axes.plot(epochs, values, ".-", color=colour, label=caption)
    axes.axvline(kept, color=INK, linewidth=0.8, linestyle=":", label=f"kept: epoch {kept}")
    axes.set(xlabel="epoch", ylabel=measure, ylim=(0, None))
    if measure == "accuracy":
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid()
    axes.legend()


def _trim_text(text: str, longest: int = 14) -> str:
    trimmed = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return trimmed.replace("$", r"\$")  # else Matplotlib reads a formula


def _save(figure: Figure, path: Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _render_svg(figure: Figure, name: str) -> str:
    """Render a figure for a page: in the colours of the page, with ids that begin with `name`."""
    file = io.StringIO()
    empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=empty)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, in_a_page in _IN_A_PAGE.items():
        text = text.replace(colour, in_a_page)
    return text

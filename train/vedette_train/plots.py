"""The pictures a person looks at: samples, curves and confusion."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vedette_edge.atomic import replacing
from vedette_edge.prepare import Picture
from vedette_train.evaluate import Evaluation
from vedette_train.history import Epoch, best

COLUMNS, MOST_SAMPLES = 10, 50
MOST_NUMBERED = 20  # classes up to which numbers stand in the confusion's cells


def draw_samples(pictures: Sequence[Picture], titles: Sequence[str], path: Path) -> None:
    """A grid of prepared pictures, just as the model sees them, with their labels."""
    columns = min(len(pictures), COLUMNS)
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(1.3 * columns, 1.5 * rows), layout="constrained")
    for place, axes in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
        axes.axis("off")
        if place < len(pictures):
            axes.imshow(pictures[place])
            axes.set_title(_shortened(titles[place]), fontsize=8)
    _save(figure, path)


def draw_curves(history: Sequence[Epoch], path: Path) -> None:
    """Loss and accuracy by epoch, with the epoch that was kept."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    epochs = [epoch.epoch for epoch in history]
    kept = best(history).epoch
    for axes, measure in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for name, caption in ((measure, "training"), (f"val_{measure}", "validation")):
            axes.plot(epochs, [getattr(epoch, name) for epoch in history], ".-", label=caption)
        axes.axvline(kept, color="grey", linestyle=":", label=f"kept: epoch {kept}")
        axes.set(xlabel="epoch", ylabel=measure, ylim=(0, 1.02 if measure == "accuracy" else None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def draw_confusion(evaluation: Evaluation, path: Path) -> None:
    """What each class was taken for, as a share of its test pictures."""
    counts = evaluation.confusion()
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    classes = len(evaluation.labels)
    side = max(5.0, 0.24 * classes + 2)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, shrink=0.6, label="share of the class")
    names = [_shortened(label, 22) for label in evaluation.labels]
    axes.set_xticks(range(classes), names, rotation=90, fontsize=8)
    axes.set_yticks(range(classes), names, fontsize=8)
    axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.4)
    axes.tick_params(which="minor", length=0)
    if classes <= MOST_NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    pictures = len(evaluation.truth)
    axes.set(
        xlabel="answer",
        ylabel="truth",
        title=f"{evaluation.accuracy:.1%} of {pictures} test pictures right",
    )
    _save(figure, path)


def _shortened(text: str, longest: int = 14) -> str:
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return short.replace("$", r"\$")  # no formulas


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)

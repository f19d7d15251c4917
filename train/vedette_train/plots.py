"""The pictures a person looks at: samples, curves and confusion."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import seaborn
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
    names = [_shortened(label, 22) for label in evaluation.labels]
    axes = seaborn.heatmap(
        shares,
        ax=figure.subplots(),
        vmin=0,
        vmax=1,
        cmap="Blues",
        square=True,
        linewidths=0.3,
        linecolor="0.9",
        annot=counts if classes <= MOST_NUMBERED else None,
        fmt="d",
        xticklabels=names,
        yticklabels=names,
        cbar_kws={"shrink": 0.6, "label": "share of the class"},
    )
    axes.tick_params(labelsize=8)
    pictures = len(evaluation.truth)
    axes.set(
        xlabel="answer",
        ylabel="truth",
        title=f"{evaluation.accuracy:.1%} of {pictures} test pictures right",
    )
    _save(figure, path)


def _shortened(text: str, longest: int = 14) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)

"""Draws docs/at-work.png from what `make demo` made: held-out frames with their labels.

.venv/bin/python docs/at_work.py
"""

import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from vedette_edge import Classifier
from vedette_edge.images import decoding, discovery

ROOT = Path(__file__).parents[1]
ROWS, COLUMNS = 3, 6


def main() -> None:
    classifier = Classifier(ROOT / "runs" / "demo" / "model.tflite")
    frames = discovery.find_images(ROOT / "demo" / "cards" / "frames")
    shown = frames[3 :: len(frames) // (ROWS * COLUMNS)][: ROWS * COLUMNS]
    figure = Figure(figsize=(9.6, 4.4), layout="constrained", facecolor="#15181c")
    for path, axes in zip(shown, np.ravel(figure.subplots(ROWS, COLUMNS)), strict=True):
        picture_rgb = decoding.read_image(path)
        found = classifier.classify(picture_rgb)
        right = found.label == path.stem.removesuffix("-1")
        axes.imshow(picture_rgb)
        axes.axis("off")
        axes.set_title(
            f"{found.label}  {found.score:.0%}",
            color="#7ee08a" if right else "#ff8f70",
            fontsize=10,
            family="monospace",
        )
    FigureCanvasAgg(figure)
    png = io.BytesIO()
    figure.savefig(png, dpi=100)
    few_colours = Image.open(png).convert("RGB").quantize(96)  # a sixth of the bytes
    few_colours.save(ROOT / "docs" / "at-work.png", optimize=True)


if __name__ == "__main__":
    main()

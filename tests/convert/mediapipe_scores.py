"""Classifies pictures with MediaPipe, in whose own environment this runs, without Vedette.

    python mediapipe_scores.py MODEL PICTURE...

Prints a JSON object a line, for each picture in turn: the label and score of each class of more
than 0, best first, as `all`, and of those that pass the model's own threshold as `sure`.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from mediapipe import Image
from mediapipe.tasks.python.core.base_options import BaseOptions
from mediapipe.tasks.python.vision import ImageClassifier, ImageClassifierOptions

ALMOST_0 = 1e-6  # a threshold of 0 would be taken for none, and the model's own would count
Answer = list[tuple[str, float]]


def classify(model: str, pictures: Sequence[str], **options: Any) -> Iterator[Answer]:
    """Labels and scores of each picture, best first."""
    chosen = ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model), **options)
    with ImageClassifier.create_from_options(chosen) as classifier:
        for picture in pictures:
            (head,) = classifier.classify(Image.create_from_file(picture)).classifications
            yield [(one.category_name, one.score) for one in head.categories]


if __name__ == "__main__":
    model, *pictures = sys.argv[1:]
    for everything, sure in zip(
        classify(model, pictures, score_threshold=ALMOST_0),
        classify(model, pictures),
        strict=True,
    ):
        print(json.dumps({"all": everything, "sure": sure}))  # noqa: T201  it is what this is for

"""MediaPipe's ImageClassifier over many pictures, in an environment of its own.

build/mediapipe/bin/python mediapipe_loop.py model.tflite pictures.txt
"""

import sys
from pathlib import Path

from mediapipe import Image
from mediapipe.tasks.python.core.base_options import BaseOptions
from mediapipe.tasks.python.vision import ImageClassifier, ImageClassifierOptions

model, names = sys.argv[1:]
options = ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model), max_results=1)
with ImageClassifier.create_from_options(options) as classifier:
    for name in Path(names).read_text("utf-8").splitlines():
        (head,) = classifier.classify(Image.create_from_file(name)).classifications
        print(name, head.categories[:1])  # noqa: T201

"""Makes the photographs that the virtual camera plays, and the model that it is to know them by.

    python camera.py MODEL PHOTOGRAPHS OUT

OUT will hold model.tflite and LABEL.jpg of three labels, 640x480 px: of some photographs, which lie
in folders called like their labels, the three of which the model is surest, and right.
"""

import shutil
import sys
from pathlib import Path

import cv2

from vedette_edge import Classifier
from vedette_edge.images import decoding, discovery

LOOKED_AT = 150
PLAYED = 3


def main(model: Path, photographs: Path, out: Path) -> None:
    out.mkdir(parents=True)
    shutil.copy(model, out / "model.tflite")
    classifier = Classifier(model)
    files = discovery.find_images(photographs)
    best: dict[str, tuple[float, bytes]] = {}
    for file in files[:: max(1, len(files) // LOOKED_AT)]:
        score, jpeg = _played(file, classifier)
        best[file.parent.name] = max(best.get(file.parent.name, (0.0, b"")), (score, jpeg))
    surest = sorted(best.items(), key=lambda one: one[1], reverse=True)[:PLAYED]
    for label, (_, jpeg) in surest:
        (out / f"{label}.jpg").write_bytes(jpeg)


def _played(file: Path, classifier: Classifier) -> tuple[float, bytes]:
    """The score of a photograph as the camera will show it, 0 if the label is wrong; a JPEG."""
    picture_bgr = cv2.resize(decoding.read_image(file)[..., ::-1], (640, 480))
    jpeg = cv2.imencode(".jpg", picture_bgr)[1].tobytes()
    found = classifier.classify(decoding.decode_image(jpeg))
    return found.score if found.label == file.parent.name else 0.0, jpeg


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

"""What models make of a folder of pictures on this machine: run on a workstation and on a Pi.

    python answers.py PICTURES ANSWERS.npz MODEL...

ANSWERS.npz then has of each model its inputs, uint8, pictures x height x width x 3, and its scores,
float32, pictures x labels; the pictures' names and sizes, height and width in px; and the runtime.
"""

import sys
from pathlib import Path

import numpy as np

from vedette_edge import Classifier, preprocess
from vedette_edge.images import decoding


def main(folder: Path, out: Path, models: list[Path]) -> None:
    files = sorted(folder.iterdir())
    read = [decoding.read_image(file) for file in files]
    answers = {
        "names": np.array([file.name for file in files]),
        "sizes": np.array([picture.shape[:2] for picture in read]),
    }
    for model in models:
        classifier = Classifier(model)
        answers["runtime"] = np.array(classifier.network.runtime)
        inputs = [preprocess(picture, classifier.contract) for picture in read]
        scores = [classifier.score(one).scores for one in inputs]
        answers[f"{model.stem} inputs"] = np.stack(inputs)
        answers[f"{model.stem} scores"] = np.stack(scores)
    np.savez(out, **answers)  # type: ignore[arg-type]  # its other options are typed bool


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(model) for model in sys.argv[3:]])

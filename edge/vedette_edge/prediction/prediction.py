"""The answer for a picture in a file, and counts of answers."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.errors import ImageError, ScoresError
from vedette_edge.model.classifier import Classifier


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one file, or the error that prevented it."""

    path: Path
    true_label: str = ""  # the name of the file's folder with --evaluate
    label: str = ""  # the first of `top`, or `unknown` where its score is below its threshold
    top: tuple[tuple[str, float], ...] = ()  # label and score 0..1, best first
    error: str = ""


class Tally:
    """Counts of predictions: all, left out, by label, compared with a true label, and right."""

    def __init__(self) -> None:
        self.total = self.left_out = self.compared = self.right = 0
        self.labels = Counter[str]()

    def add(self, prediction: Prediction) -> None:
        """Count a prediction."""
        self.total += 1
        if prediction.error:
            self.left_out += 1
            return
        self.labels[prediction.label] += 1
        if prediction.true_label:
            self.compared += 1
            self.right += prediction.top[0][0] == prediction.true_label

    def describe(self) -> str:
        """Describe how many answers there are."""
        errors = f", {self.left_out:,} of them errors" if self.left_out else ""
        return f"{self.total:,} answer{'s' * (self.total != 1)}{errors}"

    def count(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Count the predictions, and yield them again."""
        for prediction in predictions:
            self.add(prediction)
            yield prediction


def classify_file(classifier: Classifier, path: Path, true_label: str, top_k: int) -> Prediction:
    """Classify a file. A picture that cannot be read or scored has an error, and no answer."""
    try:
        result = classifier.classify(path)
    except ImageError as error:
        return Prediction(path, true_label, error=str(error))
    except ScoresError as error:
        return Prediction(path, true_label, error=f"{path}: {error}")
    return Prediction(path, true_label, result.label, tuple(result.top(top_k)))

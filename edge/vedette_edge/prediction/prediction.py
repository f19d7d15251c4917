"""The answer for a picture in a file, and counts of answers."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vedette_edge.errors import ImageError, ScoresError
from vedette_edge.images.decoding import decode_image
from vedette_edge.images.sources import read_source
from vedette_edge.model.classifier import Classifier

File = tuple[str, str]  # a picture's path or URL, and its true label or ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one file, or the error that prevented it."""

    picture: str  # its path or URL
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
        """Describe how many answers and errors there are."""
        counts = {"answer": self.total - self.left_out, "error": self.left_out}
        texts = [f"{count:,} {name}{'s' * (count != 1)}" for name, count in counts.items()]
        return " and ".join(texts if self.left_out else texts[:1])

    def count(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Count the predictions, and yield them again."""
        for prediction in predictions:
            self.add(prediction)
            yield prediction


def classify_file(
    classifier: Classifier, picture: str, true_label: str, top_k: int, folder: str = ""
) -> Prediction:
    """Classify a file: a path, which may be relative to a folder, or a URL.

    A picture that cannot be read or scored has an error, and no answer. Raises RemoteError.
    """
    try:
        result = classifier.classify(decode_image(read_source(picture, folder)))
    except OSError as error:
        return Prediction(picture, true_label, error=f"{picture}: {error.strerror or error}")
    except (ImageError, ScoresError) as error:
        return Prediction(picture, true_label, error=f"{picture}: {error}")
    return Prediction(picture, true_label, result.label, tuple(result.top(top_k)))

"""Classification of many files by threads that share the work."""

import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from vedette_edge.host.memory import read_available_bytes
from vedette_edge.model.classifier import Classifier
from vedette_edge.prediction.prediction import File, Prediction, classify_file

AHEAD = 4  # files a worker, that are read before the answers of earlier ones are taken
PICTURE_BYTES = 128 << 20  # of a worker: one of 12 megapixels, as it is decoded and turned


def find_workers() -> int:
    """Find the number of workers that this machine has processors and memory for."""
    by_memory = read_available_bytes() // PICTURE_BYTES
    return max(1, min(len(os.sched_getaffinity(0)), by_memory))


class ClassifierPool:
    """Classifiers of one model, for as many threads as use them at once."""

    def __init__(self, classifier: Classifier) -> None:
        self._first, self._idle = classifier, [classifier]

    def classify(self, picture: str, true_label: str, top_k: int, folder: str = "") -> Prediction:
        """Classify a file, as `classify_file` does, with an idle classifier or another one."""
        try:
            classifier = self._idle.pop()
        except IndexError:
            classifier = self._first.duplicate()
        try:
            return classify_file(classifier, picture, true_label, top_k, folder)
        finally:
            self._idle.append(classifier)


def classify_files(
    classifier: Classifier, files: Iterable[File], top_k: int, workers: int
) -> Generator[Prediction, None, None]:
    """Classify files, each with its true label or "", and yield the answers in their order.

    Each worker has an interpreter of its own. OpenCV and the interpreter release Python's lock, so
    that threads do what processes would, and share the model's memory.
    """
    pool, waiting = ClassifierPool(classifier), deque[Future[Prediction]]()
    with ThreadPoolExecutor(workers, "predict") as executor:
        try:
            for picture, true_label in files:
                waiting.append(executor.submit(pool.classify, picture, true_label, top_k))
                if len(waiting) > AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

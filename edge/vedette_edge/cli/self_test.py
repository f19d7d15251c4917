"""The self-test before a command classifies its first picture."""

from vedette_edge.console import Output, escape_unprintable
from vedette_edge.host import memory
from vedette_edge.model import self_test
from vedette_edge.model.classifier import Classifier


def run_self_test(classifier: Classifier, terminal: Output, *, skip: bool) -> None:
    """Print the model's assumptions and replay its samples. Raises SelfTestError."""
    for assumption in classifier.assumptions:
        terminal.err.print(f"assumed: {escape_unprintable(assumption)}", style="yellow")
    if skip:
        terminal.err.print("self-test skipped: results may differ here, unnoticed")
    elif classifier.model.samples:
        self_test.require_equal(classifier, list(self_test.replay_samples(classifier)))
        memory.trim_heap()  # of the samples' images
    else:
        terminal.err.print("no samples for a self-test: results may differ here, unnoticed")

"""Checks of a model: an interpreter loads it and its samples come out as at conversion."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from vedette_edge.console import escape_unprintable
from vedette_edge.doctor import FAULT, OK, WARNING, Finding, ModelReport
from vedette_edge.doctor.packages import suggest_reinstall
from vedette_edge.errors import VedetteError
from vedette_edge.model import self_test
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.contract import UNKNOWN
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.self_test import Replay


def check_model(path: Path, threads: int | None, overrides: ModelOverrides) -> ModelReport:
    """Build an interpreter and replay the samples."""
    replays: list[Replay] = []
    labels: tuple[str, ...] = ()
    try:
        classifier = Classifier(path, threads=threads, overrides=overrides)
        labels = *classifier.contract.labels, UNKNOWN
        replays += self_test.replay_samples(classifier)
        finding = _judge_samples(classifier, replays)
    except VedetteError as error:  # its message says what to do next
        finding = Finding("model", FAULT, str(error))
    table, data = _render_differences(replays), self_test.to_dict(replays)
    return ModelReport((finding,), table, labels, data)


def _render_differences(replays: Sequence[Replay]) -> Table | None:
    """Render a table with a line per sample that differs; None if there are none."""
    table = Table("sample", "label", "difference", box=None, header_style="bold", pad_edge=False)
    for replay in replays:
        if replay.differs:
            table.add_row(*map(escape_unprintable, (replay.name, replay.actual, replay.differs)))
    return table if table.row_count else None


def _judge_samples(classifier: Classifier, replays: list[Replay]) -> Finding:
    """Compare with conversion. Raises SelfTestError if there is no sample."""
    if classifier.model.contract is None:
        detail = (
            f"{classifier.model.path} comes from another tool and has no samples to compare with"
        )
        fix = "vedette-convert KERAS_MODEL  # on a workstation: see docs/conversion.md"
        return Finding("model", WARNING, detail, fix)
    if differences := self_test.count_differences(replays):
        detail = f"{classifier.model.path}: {differences}"
        return Finding("model", FAULT, detail, suggest_reinstall())
    self_test.require_equal(classifier, replays)
    same = f"{len(replays)} samples give the same results here as at conversion"
    return Finding("model", OK, f"{same}, on {classifier.network.runtime}")

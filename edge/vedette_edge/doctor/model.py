"""Checks of a model: an interpreter loads it and its samples come out as at conversion."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from vedette_edge.console import escape_unprintable
from vedette_edge.doctor import FAULT, OK, WARNING, Finding, ModelReport
from vedette_edge.doctor.packages import suggest_reinstall
from vedette_edge.errors import SelfTestError, VedetteError
from vedette_edge.model import self_test
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.self_test import Replay


def check_model(path: Path, threads: int | None, overrides: ModelOverrides) -> ModelReport:
    """Build an interpreter and replay the samples."""
    replays: list[Replay] = []
    try:
        classifier = Classifier(path, threads=threads, overrides=overrides)
        replays += self_test.replay_samples(classifier)
        finding = _judge_samples(classifier, replays)
    except SelfTestError as error:
        finding = Finding("model", FAULT, str(error), suggest_reinstall())
    except VedetteError as error:  # its message says what to do next
        finding = Finding("model", FAULT, str(error))
    table = render_replays(replays) if replays else None
    return ModelReport((finding,), table, self_test.to_dict(replays))


def render_replays(replays: Sequence[Replay]) -> Table:
    """Render a table with a line per sample."""
    head = ("sample", "label", "score off by", "")
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for replay in replays:
        steps = f"{replay.steps:.1f} steps"
        row = (replay.name, replay.actual, steps, replay.differs or "equal")
        table.add_row(*map(escape_unprintable, row))
    return table


def _judge_samples(classifier: Classifier, replays: list[Replay]) -> Finding:
    """Compare with conversion. Raises SelfTestError for a difference."""
    if classifier.model.contract is None:
        detail = f"{classifier.model.path} comes from another tool and has no samples: unproved"
        fix = "vedette-convert KERAS_MODEL  # on a workstation: see docs/conversion.md"
        return Finding("model", WARNING, detail, fix)
    self_test.require_equal(classifier, replays)
    detail = f"{len(replays)} samples are equal here, on {classifier.network.runtime}"
    return Finding("model", OK, detail)

"""The record of the two best scores of each moment."""

import os
from dataclasses import replace

import numpy as np
import pytest

from vedette_edge.live.score_history import (
    DAY_S,
    LARGEST_SCORE,
    ScoreHistory,
    decode_score_history,
)
from vedette_edge.model.contract import Confidence
from vedette_edge.watch.score_recorder import ScoreRecorder
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import RegionState

LABELS = ("fox", "hen", "cat")
UNSMOOTHED = SmoothingConfig(smoothing_s=0, enter=0.5, leave=0.3, dwell_s=0)


class Rig:
    """A recorder of regions whose scores a test sets."""

    def __init__(self, count: int = 1, labels: tuple[str, ...] = LABELS) -> None:
        self.smoothers = [
            LabelSmoother(labels, Confidence(1.0, 0.0), UNSMOOTHED) for _ in range(count)
        ]
        self.recorder = ScoreRecorder(
            [RegionState(f"r{n}", one, every_frame=False) for n, one in enumerate(self.smoothers)]
        )

    def add(self, now_s: float, *scores: float, region: int = 0) -> None:
        self.smoothers[region].update(np.array(scores, np.float32), now_s)
        self.recorder.add(now_s)

    def read(self) -> ScoreHistory:
        packet = self.recorder.create_packet()
        assert packet.file is not None
        body = os.pread(packet.file, 1 << 24, 0)
        assert len(body) < 1_000_000
        return decode_score_history(replace(packet, body=body))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def scores_of(history: ScoreHistory, region: int = 0) -> list[list[float]]:
    pairs: list[list[int]] = history.entries[region]["scores"].tolist()
    return [[one / LARGEST_SCORE for one in pair] for pair in pairs]


def test_the_two_best_of_each_second_are_kept_with_their_labels(rig: Rig) -> None:
    rig.add(1000.1, 0.2, 0.7, 0.1)
    rig.add(1000.9, 0.9, 0.0, 0.1)  # the same second
    rig.add(1001.0, 0.3, 0.1, 0.6)
    history = rig.read()
    assert history.entries.shape == (1, DAY_S)
    assert history.entries[0, -2:]["labels"].tolist() == [[2, 1], [3, 1]]
    assert np.allclose(scores_of(history)[-2:], [[0.7, 0.2], [0.6, 0.3]], atol=1e-5)
    assert not history.entries[0, :-2]["labels"].any()


def test_what_was_not_seen_has_no_label(rig: Rig) -> None:
    rig.add(1000.0, 0.2, 0.7, 0.1)
    rig.add(1004.0, 0.2, 0.7, 0.1)
    assert rig.read().entries[0, -6:]["labels"][:, 0].tolist() == [0, 2, 0, 0, 0, 2]


def test_of_equal_scores_the_first_label_is_the_best(rig: Rig) -> None:
    rig.add(1000.0, 0.4, 0.4, 0.2)
    assert rig.read().entries[0, -1]["labels"].tolist() == [1, 2]


def test_the_record_begins_with_its_first_scores(rig: Rig) -> None:
    assert rig.read().find_begin() == pytest.approx(rig.read().end_s, abs=1)
    rig.add(1000.0, 0.4, 0.4, 0.2)
    rig.add(1009.0, 0.4, 0.4, 0.2)
    history = rig.read()
    assert history.end_s - history.find_begin() == 10


def test_after_a_day_the_oldest_are_replaced(rig: Rig) -> None:
    rig.add(1000.0, 0.2, 0.7, 0.1)
    rig.add(1000.0 + DAY_S - 2, 0.9, 0.1, 0.0)
    assert rig.read().entries[0, [1, -1]]["labels"][:, 0].tolist() == [2, 1]
    rig.add(1000.0 + DAY_S, 0.9, 0.1, 0.0)
    assert rig.read().entries[0, [0, 1, -1]]["labels"][:, 0].tolist() == [0, 0, 1]
    rig.add(1000.0 + 9 * DAY_S, 0.0, 0.0, 0.4)
    assert (rig.read().entries["labels"] > 0).sum() == 2


def test_several_regions_share_the_memory() -> None:
    rig = Rig(3)
    for region in range(3):
        rig.add(999.0, *np.eye(3)[region], region=region)
    for region in range(3):
        rig.add(1002.0, *np.eye(3)[region], region=region)
    history = rig.read()
    assert (list(history.regions), history.step_s) == (["r0", "r1", "r2"], 3)
    assert history.entries.shape == (3, DAY_S // 3)
    # The second region's scores were there one call later, in the middle of the first step.
    assert history.entries[:, -1]["labels"][:, 0].tolist() == [1, 2, 3]


def test_a_model_of_one_label_has_no_second(rig: Rig) -> None:
    single = Rig(labels=("fox",))
    single.add(5.0, 0.8)
    assert single.read().entries[0, -1]["labels"].tolist() == [1, 0]


def test_no_memory_is_taken_before_there_are_scores(rig: Rig) -> None:
    file = rig.recorder.create_packet().file
    assert file is not None
    taken = os.fstat(file).st_blocks
    rig.add(1000.0, 0.2, 0.7, 0.1)
    assert (taken, os.fstat(file).st_blocks > 0) == (0, True)


def test_nobody_else_can_write_there(rig: Rig) -> None:
    packet = rig.recorder.create_packet()
    assert packet.file is not None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(packet.file, b"x", 0)
    assert os.fstat(packet.file).st_mode & 0o777 == 0o400

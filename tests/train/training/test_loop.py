"""Training that diverges ends at once."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from vedette_train.run import folder

Train = Callable[..., Result]
SMALL = ("--architecture", "small", "--size", "32", "--epochs", "3", "--batch-size", "16")


def test_training_that_diverges_ends_at_once_and_names_the_flag_to_change(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    result = train("fit", shapes, "--out", tmp_path, *SMALL, "--learning-rate", "1e36")
    assert result.exit_code == 1
    assert "loss is nan in epoch 1" in result.stderr
    assert "--learning-rate" in result.stderr
    assert "epoch   1" not in result.stderr
    assert not (tmp_path / folder.WEIGHTS).exists()

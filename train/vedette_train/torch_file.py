"""Weights from a torch file of the time before it was a zip, without torch.

Such a file is five pickles (a magic number, a version, the machine, the tensors, the keys of
their storages) and then the storages, each its number of elements (int64) and their bytes.

A pickle is a program, and Python's unpickler calls what it names. The one here has nothing to
call: it knows the opcodes that weights take, and for it a name is a word. What it makes are
numbers, text, tuples, lists, dicts and descriptions of tensors; all others are refused.
"""

import io
import math
import mmap
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from vedette_train.errors import WeightsError

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_LARGEST_PICKLES_BYTES = 1 << 20  # together; those of 300 tensors take 47 kB
_MOST_AXES = 8

_DICT, _TENSOR = "collections.OrderedDict", "torch._utils._rebuild_tensor_v2"
_STORAGES: Mapping[str, str] = {
    "torch.DoubleStorage": "<f8",
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
}


@dataclass(frozen=True, slots=True)
class _Name:
    """What in another's unpickler would be a class or a function."""

    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str
    count: int  # elements


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int  # this and the strides in elements
    size: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file by name: views, read only, of the mapped file.

    Raises WeightsError, naming the file, for one that is damaged, of another kind, or asks for
    anything but tensors.
    """
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return _tensors(data)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from error
    except (ValueError, LookupError, ArithmeticError) as error:
        raise WeightsError(
            f"{path}: is damaged, or no torch file of the old kind with tensors and nothing else "
            f"({error}). Install the package that it came with again"
        ) from error


def _tensors(data: mmap.mmap) -> dict[str, NDArray[Any]]:
    pickles = io.BytesIO(data[:_LARGEST_PICKLES_BYTES])
    match [_unpickled(pickles) for _ in range(5)]:
        case [int(magic), int(version), {"little_endian": True}, dict(found), list(keys)] if (
            (magic, version) == (_MAGIC, _VERSION)
            and all(type(one) is _Tensor for one in found.values())
            and all(type(key) is str for key in keys)
        ):
            wanted = {one.storage for one in found.values()}
            storages = _storages(data, pickles.tell(), wanted, keys)
            return {name: _view(storages[one.storage.key], one) for name, one in found.items()}
    raise WeightsError("its five pickles are not a magic number, version, machine, tensors, keys")


def _storages(
    data: mmap.mmap, position: int, wanted: set[_Storage], keys: list[str]
) -> dict[str, NDArray[Any]]:
    """The storages by key, one-dimensional, that stand in the order of `keys` at `position`."""
    if sorted(keys) != sorted(storage.key for storage in wanted):
        raise WeightsError("its storages are not those that its tensors want")
    storages, by_key = {}, {storage.key: storage for storage in wanted}
    for storage in map(by_key.__getitem__, keys):
        start = position + 8
        count = int.from_bytes(data[position:start], "little", signed=True)
        position = start + storage.count * np.dtype(storage.dtype).itemsize
        if count != storage.count or position > len(data):
            raise WeightsError(f"storage {storage.key!r:.40} is cut short or of another size")
        storages[storage.key] = np.frombuffer(data, storage.dtype, count, start)
    return storages


def _view(storage: NDArray[Any], tensor: _Tensor) -> NDArray[Any]:
    """The tensor in its storage, within which each of its elements must lie."""
    numbers = (tensor.offset, *tensor.size, *tensor.strides)
    if (
        not all(type(number) is int and 0 <= number <= len(storage) for number in numbers)
        or not len(tensor.size) == len(tensor.strides) <= _MOST_AXES
        or not 1 <= math.prod(tensor.size) <= len(storage)
        or tensor.offset + _span(tensor.size, tensor.strides) >= len(storage)
    ):
        raise WeightsError(f"a tensor does not fit into its storage of {len(storage)} elements")
    strides_bytes = [stride * storage.itemsize for stride in tensor.strides]
    return as_strided(storage[tensor.offset :], tensor.size, strides_bytes, writeable=False)


def _span(size: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """How many elements the last one of a tensor lies behind its first."""
    return sum((length - 1) * stride for length, stride in zip(size, strides, strict=True))


# The unpickler: a stack, what was put aside by number, and a step for each opcode.

_Stack = list[Any]
_MARK = object()


def _unpickled(file: IO[bytes]) -> Any:
    """The object that the next pickle describes; the file stands behind it then."""
    stack: _Stack = []
    aside: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            aside[argument] = stack[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            stack.append(aside[argument])
        elif opcode.name in _LITERALS:
            stack.append(argument)
        elif opcode.name in _NEW:
            stack.append(_NEW[opcode.name](argument))
        elif opcode.name in _STEPS:
            _STEPS[opcode.name](stack)
        else:
            raise WeightsError(f"it asks for opcode {opcode.name}, which no weights need")
    return stack.pop()


def _name(argument: str) -> _Name:
    name = argument.replace(" ", ".")
    if name not in (_DICT, _TENSOR, *_STORAGES):
        raise WeightsError(f"it asks for {name!r:.80}, which no weights need; nothing was run")
    return _Name(name)


def _reduce(stack: _Stack) -> None:
    """What a call would have made."""
    match stack[-2:]:
        case [_Name(name), ()] if name == _DICT:
            made: object = {}
        case [
            _Name(name),
            (_Storage() as storage, int(offset), tuple(size), tuple(strides), *_),
        ] if name == _TENSOR:
            made = _Tensor(storage, offset, size, strides)
        case _:
            raise WeightsError("it calls a thing in a way that no weights need")
    stack[-2:] = [made]


def _storage(stack: _Stack) -> None:
    match stack.pop():
        case ("storage", _Name(name), str(key), str(), int(count), None) if (
            name in _STORAGES and count > 0
        ):
            stack.append(_Storage(key, _STORAGES[name], count))
        case _:
            raise WeightsError("a storage is described in a way that no weights need")


def _marked(stack: _Stack) -> list[Any]:
    """Take what lies upon the last mark off the stack, and the mark."""
    items = list(iter(stack.pop, _MARK))
    return items[::-1]


def _tuple(stack: _Stack, length: int) -> None:
    stack[-length:] = [tuple(stack[-length:])]


def _set(stack: _Stack, items: list[Any]) -> None:
    """Put names and values by turns into the dict on the stack."""
    target, names = stack[-1], items[::2]
    # No other keys: Python would end, without an error, at the hash of a tuple nested too deep.
    if type(target) is not dict or not all(type(name) is str for name in names):
        raise WeightsError("it fills what is no dict of names")
    target.update(zip(names, items[1::2], strict=True))


def _extend(stack: _Stack, items: list[Any]) -> None:
    if type(stack[-1]) is not list:
        raise WeightsError("it appends to what is no list")
    stack[-1].extend(items)


_LITERALS = ("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1")
_NEW: Mapping[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "MARK": lambda _: _MARK,
    "GLOBAL": _name,
}
_STEPS: Mapping[str, Callable[[_Stack], object]] = {
    "PROTO": lambda stack: None,
    "TUPLE": lambda stack: stack.append(tuple(_marked(stack))),
    "TUPLE1": lambda stack: _tuple(stack, 1),
    "TUPLE2": lambda stack: _tuple(stack, 2),
    "TUPLE3": lambda stack: _tuple(stack, 3),
    "APPEND": lambda stack: _extend(stack, [stack.pop()]),
    "APPENDS": lambda stack: _extend(stack, _marked(stack)),
    "SETITEM": lambda stack: _set(stack, [stack.pop(-2), stack.pop()]),
    "SETITEMS": lambda stack: _set(stack, _marked(stack)),
    "REDUCE": _reduce,
    "BINPERSID": _storage,
    "BUILD": lambda stack: stack.pop(),  # notes on versions, beside the dict
    "STOP": lambda stack: None,
}

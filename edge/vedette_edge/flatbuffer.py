"""Reads flatbuffers, each offset and length checked: the file may be anybody's.

The layout is that of the FlatBuffers format: a table begins with the distance back to its
vtable, which holds where each field lies, or 0 for a field that is absent.
"""

import struct

from vedette_edge.errors import ModelFileError

LONGEST_VECTOR = 20_000  # tables or numbers; longer ones are in no graph of a picture classifier


class DamagedError(ModelFileError):
    """Bytes that contradict themselves."""


class Table:
    """A table in `data`. Fields are named by their slot, the number that the schema gives them."""

    def __init__(self, data: bytes, at: int) -> None:
        """`at`: where in `data` the table begins. Raises DamagedError, as all methods do."""
        self._data, self._at = data, at
        self._vtable = at - _number(data, at, "i")
        self._fields = _number(data, self._vtable, "H") // 2 - 2

    def number(self, slot: int, kind: str = "i", default: int = 0) -> int:
        """A number of a kind as `struct` names it, little-endian."""
        at = self._field(slot)
        return _number(self._data, at, kind) if at else default

    def table(self, slot: int) -> "Table | None":
        """A table within this one."""
        at = self._target(slot)
        return Table(self._data, at) if at else None

    def tables(self, slot: int) -> list["Table"]:
        """A vector of tables."""
        start, offsets = self._vector(slot, "I")
        return [Table(self._data, start + 4 * place + far) for place, far in enumerate(offsets)]

    def numbers(self, slot: int, kind: str = "i") -> tuple[int, ...]:
        """A vector of numbers."""
        return self._vector(slot, kind)[1]

    def content(self, slot: int) -> bytes:
        """A vector of bytes, of any length that the data hold."""
        at = self._target(slot)
        if not at:
            return b""
        length = _number(self._data, at, "I")
        if length > len(self._data) - at - 4:
            raise DamagedError(f"{length} bytes are promised where the data end")
        return self._data[at + 4 : at + 4 + length]

    def text(self, slot: int) -> str:
        """A text; bytes that are no UTF-8 are replaced."""
        return self.content(slot).decode(errors="replace")

    def _vector(self, slot: int, kind: str) -> tuple[int, tuple[int, ...]]:
        """Where a vector's first element lies, and the elements."""
        at = self._target(slot)
        if not at:
            return 0, ()
        length = _number(self._data, at, "I")
        if length > LONGEST_VECTOR:
            raise DamagedError(f"a vector of {length} elements, at most {LONGEST_VECTOR} are read")
        return at + 4, _unpacked(self._data, at + 4, f"{length}{kind}")

    def _field(self, slot: int) -> int:
        """Where a field lies; 0 where it is absent."""
        if slot >= self._fields:
            return 0
        offset = _number(self._data, self._vtable + 4 + 2 * slot, "H")
        return self._at + offset if offset else 0

    def _target(self, slot: int) -> int:
        """Where that lies to which a field points; 0 where it is absent."""
        at = self._field(slot)
        return at + _number(self._data, at, "I") if at else 0


def root(data: bytes) -> Table:
    """The table that a buffer holds."""
    return Table(data, _number(data, 0, "I"))


def _number(data: bytes, at: int, kind: str) -> int:
    return _unpacked(data, at, kind)[0]


def _unpacked(data: bytes, at: int, kinds: str) -> tuple[int, ...]:
    try:
        if at < 0:  # to struct this would be a place before the end
            raise struct.error("a place before the beginning")
        return struct.unpack_from(f"<{kinds}", data, at)
    except struct.error as error:
        raise DamagedError(f"an offset leads out of the data ({error})") from error

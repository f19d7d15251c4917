"""Reads flatbuffers, each offset and length checked: the file may be anybody's.

The layout is that of the FlatBuffers format: a table begins with the distance back to its
vtable, which holds where each field lies, or 0 for a field that is absent. Nothing forbids that
many fields point to the same place, so that a small file describes an endless one: what is read
in all is limited as well.
"""

import struct

from vedette_edge.errors import ModelFileError

LONGEST_VECTOR = 20_000  # tables or numbers; longer ones are in no graph of a picture classifier
MOST_READ = 300_000  # numbers and letters of a buffer; EfficientNet-Lite0 has 8,000


Buffer = bytes | memoryview


class DamagedError(ModelFileError):
    """Bytes that contradict themselves."""


class Data:
    """The bytes of a buffer, and how much of them has been read."""

    def __init__(self, data: Buffer) -> None:
        self._view = memoryview(data)
        self._read = 0

    def numbers(self, at: int, kinds: str, count: int = 1) -> tuple[int, ...]:
        """Numbers of kinds as `struct` names them, little-endian. Raises DamagedError."""
        self._spend(count)
        try:
            if at < 0:  # to struct this would be a place before the end
                raise struct.error("a place before the beginning")
            return struct.unpack_from(f"<{kinds}", self._view, at)
        except struct.error as error:
            raise DamagedError(f"an offset leads out of the data ({error})") from error

    def number(self, at: int, kind: str) -> int:
        """One of them."""
        return self.numbers(at, kind)[0]

    def content(self, at: int) -> memoryview:
        """A vector of bytes, where they lie."""
        length = self.number(at, "I")
        if length > len(self._view) - at - 4:
            raise DamagedError(f"{length} bytes are promised where the data end")
        return self._view[at + 4 : at + 4 + length]

    def text(self, at: int) -> str:
        """A vector of letters; bytes that are no UTF-8 are replaced."""
        content = self.content(at)
        self._spend(len(content))
        return bytes(content).decode(errors="replace")

    def _spend(self, count: int) -> None:
        self._read += count + 1
        if self._read > MOST_READ:
            raise DamagedError(f"more than {MOST_READ} numbers and letters to read")


class Table:
    """A table in `data`. Fields are named by their slot, the number that the schema gives them."""

    def __init__(self, data: Data, at: int) -> None:
        """`at`: where in `data` the table begins. Raises DamagedError, as all methods do."""
        self._data, self._at = data, at
        self._vtable = at - data.number(at, "i")
        self._fields = data.number(self._vtable, "H") // 2 - 2

    def number(self, slot: int, kind: str = "i", default: int = 0) -> int:
        """A number of a kind as `struct` names it, little-endian."""
        at = self._field(slot)
        return self._data.number(at, kind) if at else default

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

    def content(self, slot: int) -> memoryview:
        """A vector of bytes, of any length that the data hold, where they lie."""
        at = self._target(slot)
        return self._data.content(at) if at else memoryview(b"")

    def text(self, slot: int) -> str:
        """A text; bytes that are no UTF-8 are replaced."""
        at = self._target(slot)
        return self._data.text(at) if at else ""

    def _vector(self, slot: int, kind: str) -> tuple[int, tuple[int, ...]]:
        """Where a vector's first element lies, and the elements."""
        at = self._target(slot)
        if not at:
            return 0, ()
        length = self._data.number(at, "I")
        if length > LONGEST_VECTOR:
            raise DamagedError(f"a vector of {length} elements, at most {LONGEST_VECTOR} are read")
        return at + 4, self._data.numbers(at + 4, f"{length}{kind}", length)

    def _field(self, slot: int) -> int:
        """Where a field lies; 0 where it is absent."""
        if slot >= self._fields:
            return 0
        offset = self._data.number(self._vtable + 4 + 2 * slot, "H")
        return self._at + offset if offset else 0

    def _target(self, slot: int) -> int:
        """Where that lies to which a field points; 0 where it is absent."""
        at = self._field(slot)
        return at + self._data.number(at, "I") if at else 0


def root(data: Buffer) -> Table:
    """The table that a buffer holds."""
    held = Data(data)
    return Table(held, held.number(0, "I"))

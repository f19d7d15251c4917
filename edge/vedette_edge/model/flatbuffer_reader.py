"""Read flatbuffers from any source, and check every offset and length.

In the FlatBuffers format, a table begins with the distance back to its vtable, which holds the
offset of each field, or 0 for an absent field. Many fields may point to the same place, so that
a small file can describe an endless one: the total that is read is limited as well.
"""

import struct

from vedette_edge.errors import ModelFileError

LONGEST_VECTOR = 20_000  # tables or numbers; no graph of an image classifier has more
MOST_READ = 300_000  # numbers and letters of a buffer; EfficientNet-Lite0 has 8,000

Buffer = bytes | memoryview


class DamagedError(ModelFileError):
    """Bytes that contradict themselves."""


class Data:
    """The bytes of a buffer, with a count of what has been read. All methods raise DamagedError."""

    def __init__(self, data: Buffer) -> None:
        self._view = memoryview(data)
        self._read = 0

    def read_numbers(self, at: int, kinds: str, count: int = 1) -> tuple[int, ...]:
        """Read little-endian numbers; `kinds` is a `struct` format."""
        self._count_read(count)
        try:
            if at < 0:  # struct would count from the end
                raise struct.error("negative")
            return struct.unpack_from(f"<{kinds}", self._view, at)
        except struct.error as error:
            raise DamagedError("an offset points outside the data") from error

    def read_number(self, at: int, kind: str) -> int:
        """Read one number."""
        return self.read_numbers(at, kind)[0]

    def read_bytes(self, at: int) -> memoryview:
        """Read a vector of bytes, without a copy."""
        length = self.read_number(at, "I")
        if length > len(self._view) - at - 4:
            raise DamagedError(f"{length} bytes expected, but the data ends before")
        return self._view[at + 4 : at + 4 + length]

    def read_text(self, at: int) -> str:
        """Read a text; bytes that are not UTF-8 are replaced."""
        content = self.read_bytes(at)
        self._count_read(len(content))
        return bytes(content).decode(errors="replace")

    def _count_read(self, count: int) -> None:
        self._read += count + 1
        if self._read > MOST_READ:
            raise DamagedError(f"more than {MOST_READ} numbers and letters to read")


class Table:
    """A table in `data`. A field is named by its slot, the field's number in the schema."""

    def __init__(self, data: Data, at: int) -> None:
        """`at` is the table's position in `data`. Raises DamagedError, as all methods do."""
        self._data, self._at = data, at
        self._vtable = at - data.read_number(at, "i")
        self._fields = data.read_number(self._vtable, "H") // 2 - 2

    def read_number(self, slot: int, kind: str = "i", default: int = 0) -> int:
        """Read a little-endian number; `kind` is a `struct` format."""
        at = self._find_field(slot)
        return self._data.read_number(at, kind) if at else default

    def read_table(self, slot: int) -> "Table | None":
        """Read a table within this one; None if it is absent."""
        at = self._follow_field(slot)
        return Table(self._data, at) if at else None

    def read_tables(self, slot: int) -> list["Table"]:
        """Read a vector of tables."""
        start, offsets = self._read_vector(slot, "I")
        return [Table(self._data, start + 4 * place + far) for place, far in enumerate(offsets)]

    def read_numbers(self, slot: int, kind: str = "i") -> tuple[int, ...]:
        """Read a vector of numbers."""
        return self._read_vector(slot, kind)[1]

    def read_bytes(self, slot: int) -> memoryview:
        """Read a vector of bytes, without a copy."""
        at = self._follow_field(slot)
        return self._data.read_bytes(at) if at else memoryview(b"")

    def read_text(self, slot: int) -> str:
        """Read a text; bytes that are not UTF-8 are replaced."""
        at = self._follow_field(slot)
        return self._data.read_text(at) if at else ""

    def _read_vector(self, slot: int, kind: str) -> tuple[int, tuple[int, ...]]:
        """Read a vector: the position of its first element, and the elements."""
        at = self._follow_field(slot)
        if not at:
            return 0, ()
        length = self._data.read_number(at, "I")
        if length > LONGEST_VECTOR:
            raise DamagedError(f"a vector of {length} elements, at most {LONGEST_VECTOR} are read")
        return at + 4, self._data.read_numbers(at + 4, f"{length}{kind}", length)

    def _find_field(self, slot: int) -> int:
        """The position of a field; 0 if it is absent."""
        if slot >= self._fields:
            return 0
        offset = self._data.read_number(self._vtable + 4 + 2 * slot, "H")
        return self._at + offset if offset else 0

    def _follow_field(self, slot: int) -> int:
        """The position to which a field points; 0 if it is absent."""
        at = self._find_field(slot)
        return at + self._data.read_number(at, "I") if at else 0


def read_root(data: Buffer) -> Table:
    """Read the top-level table of a buffer."""
    reader = Data(data)
    return Table(reader, reader.read_number(0, "I"))

"""A writer of flatbuffers, from a schema and values like the schema's JSON."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffers import Builder

Json = Mapping[str, Any]

_PREPEND = {
    int: Builder.PrependUOffsetTRelativeSlot,  # the offset of a part that was written before
    float: Builder.PrependFloat32Slot,
    np.uint8: Builder.PrependUint8Slot,
}


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema of texts, floats, enums, unions, tables and vectors of these."""

    tables: Mapping[str, Mapping[str, tuple[str, int]]]  # table -> field -> its type and slot
    numbers: Mapping[str, Mapping[str, int]]  # enum or union -> member -> its number


def read_schema(text: str) -> Schema:
    """Read a .fbs in which each field has its `(id: n)` and each member of an enum its number."""
    bodies = re.findall(r"^(\w+) (\w+)[^{;]*\{(.*?)\}", re.sub("//.*", "", text), re.DOTALL | re.M)
    tables, numbers = {}, {}
    for keyword, name, body in bodies:
        if keyword == "table":
            fields = re.findall(r"(\w+): (\S+) \(id: (\d+)\)", body)
            tables[name] = {field: (kind, int(slot)) for field, kind, slot in fields}
        elif keyword == "union":
            numbers[name] = {member: at for at, member in enumerate(re.findall(r"\w+", body), 1)}
        else:
            members = re.findall(r"(\w+) = (\d+)", body)
            numbers[name] = {member: int(number) for member, number in members}
    return Schema(tables, numbers)


def write_flatbuffer(schema: Schema, root: str, value: Json, identifier: bytes) -> bytes:
    """Write a table named `root`. As the format requires, numbers that are 0 are left out.

    A union's value has the name of its type beside it, as in JSON: `options`, `options_type`.
    """
    builder = Builder()
    builder.Finish(_write_table(builder, schema, root, value), identifier)
    return bytes(builder.Output())


def _write_table(builder: Builder, schema: Schema, name: str, value: Json) -> int:
    slots = {}
    for field, inner in value.items():
        kind, slot = _find_slot(schema.tables[name], field, value)
        slots[slot] = _write_value(builder, schema, kind, inner)
    builder.StartObject(max(slots, default=-1) + 1)
    for slot, part in slots.items():
        _PREPEND[type(part)](builder, slot, part, 0)
    return int(builder.EndObject())


def _find_slot(fields: Mapping[str, tuple[str, int]], field: str, value: Json) -> tuple[str, int]:
    if field not in fields:  # a union's type, in the slot before the union
        kind, slot = fields[field.removesuffix("_type")]
        return kind, slot - 1
    kind, slot = fields[field]
    return value.get(f"{field}_type", kind), slot


def _write_value(builder: Builder, schema: Schema, kind: str, value: Any) -> int | float | np.uint8:
    """Return the content of a slot: a number, or the offset of the written value."""
    if kind == "float":
        return float(value)
    if kind in schema.numbers:
        return np.uint8(schema.numbers[kind][value])
    if kind == "string":
        return int(builder.CreateString(value))
    if kind == "[float]":
        return int(builder.CreateNumpyVector(np.array(value, np.float32)))
    if kind.startswith("["):
        tables = [_write_table(builder, schema, kind[1:-1], one) for one in value]
        builder.StartVector(4, len(tables), 4)
        for offset in reversed(tables):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())
    return _write_table(builder, schema, kind, value)

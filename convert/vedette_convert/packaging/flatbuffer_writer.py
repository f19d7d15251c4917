"""Writes a flatbuffer by its schema, from values that look like the schema's JSON."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffers import Builder

Json = Mapping[str, Any]

_PREPEND = {
    int: Builder.PrependUOffsetTRelativeSlot,  # of a part that was written before
    float: Builder.PrependFloat32Slot,
    np.uint8: Builder.PrependUint8Slot,
}


@dataclass(frozen=True, slots=True)
class Schema:
    """What a schema of texts, floats, enums, unions, tables and vectors of these says."""

    tables: Mapping[str, Mapping[str, tuple[str, int]]]  # table -> field -> its type and slot
    numbers: Mapping[str, Mapping[str, int]]  # enum or union -> member -> its number


def read_schema(text: str) -> Schema:
    """Read a .fbs in which every field has its `(id: n)` and every enum's member its number."""
    bodies = re.findall(r"^(\w+) (\w+)[^{;]*\{(.*?)\}", re.sub("//.*", "", text), re.DOTALL | re.M)
    return Schema(
        tables={
            name: {
                field: (kind, int(slot))
                for field, kind, slot in re.findall(r"(\w+): (\S+) \(id: (\d+)\)", body)
            }
            for keyword, name, body in bodies
            if keyword == "table"
        },
        numbers={
            name: {member: int(number) for member, number in re.findall(r"(\w+) = (\d+)", body)}
            or {member: number for number, member in enumerate(re.findall(r"\w+", body), 1)}
            for keyword, name, body in bodies
            if keyword in ("enum", "union")
        },
    )


def flatbuffer(schema: Schema, root: str, value: Json, identifier: bytes) -> bytes:
    """The bytes of a table named `root`. Numbers that are 0 are left out, as the format does.

    A union's value has its type's name beside it, as in JSON: `options` and `options_type`.
    """
    builder = Builder()
    builder.Finish(_table(builder, schema, root, value), identifier)
    return bytes(builder.Output())


def _table(builder: Builder, schema: Schema, name: str, value: Json) -> int:
    slots = {}
    for field, inner in value.items():
        kind, slot = _kind_and_slot(schema.tables[name], field, value)
        slots[slot] = _written(builder, schema, kind, inner)
    builder.StartObject(max(slots, default=-1) + 1)
    for slot, part in slots.items():
        _PREPEND[type(part)](builder, slot, part, 0)
    return int(builder.EndObject())


def _kind_and_slot(
    fields: Mapping[str, tuple[str, int]], field: str, value: Json
) -> tuple[str, int]:
    if field not in fields:  # a union's type, which lies in the slot before it
        kind, slot = fields[field.removesuffix("_type")]
        return kind, slot - 1
    kind, slot = fields[field]
    return value.get(f"{field}_type", kind), slot


def _written(builder: Builder, schema: Schema, kind: str, value: Any) -> int | float | np.uint8:
    """What goes into a slot: a number, or the offset of what was written."""
    if kind == "float":
        return float(value)
    if kind in schema.numbers:
        return np.uint8(schema.numbers[kind][value])
    if kind == "string":
        return int(builder.CreateString(value))
    if kind == "[float]":
        return int(builder.CreateNumpyVector(np.array(value, np.float32)))
    if kind.startswith("["):
        return _vector(builder, [_table(builder, schema, kind[1:-1], one) for one in value])
    return _table(builder, schema, kind, value)


def _vector(builder: Builder, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for offset in reversed(tables):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())

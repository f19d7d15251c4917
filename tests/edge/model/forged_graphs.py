"""Forge model files: change fields of a graph, add fitting checksums, load them, classify.

    .venv/bin/python -m tests.edge.model.forged_graphs MODEL FIRST_SEED COUNT

Prints a seed, uses its file, then prints the memory that this process ever had (MiB), and the
label or the error. So the last line before a crash names the seed that repeats it.
"""

import random
import signal
import struct
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.edge.model.packing import pack, unpack

from vedette_edge import Classifier, VedetteError
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.model.flatbuffer_reader import DamagedError
from vedette_edge.model.graph import read_graph
from vedette_edge.model.self_test import replay_samples

# What the slots of each table hold in TFLite's public schema, version 3: a number in a format of
# `struct`, a table by its name, or a vector, "[", of either. Texts are vectors of bytes.
SCHEMA: dict[str, tuple[str, ...]] = {
    "Model": ("I", "[Code", "[Subgraph", "[B", "[Buffer", "[i", "[Metadata"),
    "Code": ("b", "[B", "i", "i"),
    "Subgraph": ("[Tensor", "[i", "[i", "[Operator", "[B"),
    "Tensor": ("[i", "b", "I", "[B", "Quantization", "b", "Options", "[i", "b"),
    "Quantization": ("[f", "[f", "[f", "[q", "B", "Options", "i"),
    "Operator": ("I", "[i", "[i", "B", "Options", "[B", "b", "[B", "[i"),
    "Options": tuple("iiiiiiii"),  # one table for the options of all operators
    "Buffer": ("[i",),  # of bytes, but those that a runtime interprets are shapes and axes
    "Metadata": ("[B", "I"),
}
BITS = {"b": 8, "B": 8, "H": 16, "i": 32, "I": 32, "q": 64}
ENDS = (3, 7, 8, 15, 16, 24, 31, 32, 63)  # bits
MOST_ELEMENTS = 64  # of a vector: long ones are weights
LONGEST_S = 240  # twice as long as a model may take that is probed


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a number in a graph."""

    at: int
    kind: str  # a format of `struct`
    role: str  # table and slot


def find_places(graph: bytes) -> list[Place]:
    """Find the numbers in a graph, with the offsets and lengths of its tables and vectors."""
    return list(_walk_table(graph, _follow(graph, 0), "Model"))


def _follow(graph: bytes, at: int) -> int:
    return at + int.from_bytes(graph[at : at + 4], "little")


def _walk_table(graph: bytes, at: int, name: str) -> Iterator[Place]:
    vtable = at - struct.unpack_from("<i", graph, at)[0]
    yield Place(at, "i", f"{name}'s vtable")
    offsets = struct.unpack_from(f"<{len(SCHEMA[name])}H", graph, vtable + 4)
    slots = struct.unpack_from("<H", graph, vtable)[0] // 2 - 2
    for slot, (offset, kind) in enumerate(zip(offsets[:slots], SCHEMA[name], strict=False)):
        if offset:
            yield Place(vtable + 4 + 2 * slot, "H", f"{name}'s slots")
            yield from _walk(graph, at + offset, kind, f"{name} {slot}")


def _walk(graph: bytes, at: int, kind: str, role: str) -> Iterator[Place]:
    if kind in ("f", *BITS):
        yield Place(at, kind, role)
        return
    yield Place(at, "I", "offset")
    start = _follow(graph, at)
    if not kind.startswith("["):
        yield from _walk_table(graph, start, kind)
        return
    yield Place(start, "I", "length")
    element = kind[1:]
    size = struct.calcsize(element) if element in ("f", *BITS) else 4
    count = int.from_bytes(graph[start : start + 4], "little") // (4 if role == "Buffer 0" else 1)
    for number in range(min(count, MOST_ELEMENTS)):
        yield from _walk(graph, start + 4 + size * number, element, role)


def forge_graph(graph: bytes, seed: int) -> bytes:
    """Change one to three numbers of a graph, in a way that Vedette's own reader accepts."""
    generator, places = random.Random(seed), defaultdict(list)
    for place in find_places(graph):
        places[place.role].append(place)
    for _ in range(generator.randint(1, 3)):
        graph = next(filter(_is_readable, _change_numbers(graph, places, generator)))
    return graph


def _change_numbers(
    graph: bytes, places: Mapping[str, Sequence[Place]], generator: random.Random
) -> Iterator[bytes]:
    """Yield copies of a graph without end, each with another number changed."""
    while True:
        role = places[generator.choice(sorted(places))]  # a graph has far more names than shapes
        place, other = generator.choice(role), generator.choice(role)
        old, others = (
            struct.unpack_from(f"<{place.kind}", graph, at)[0] for at in (place.at, other.at)
        )
        new = struct.pack(f"<{place.kind}", _choose_number(old, others, place.kind, generator))
        yield graph[: place.at] + new + graph[place.at + len(new) :]


def _is_readable(graph: bytes) -> bool:
    try:
        return bool(read_graph(graph))
    except DamagedError:
        return False


def _choose_number(old: float, other: float, kind: str, generator: random.Random) -> float:
    """Choose a number near the old one, one from another place, or one at the end of a range."""
    if kind == "f":
        return generator.choice([other, -old, 0, 1e-30, 1e30, float("inf"), float("nan")])
    bits, old = BITS[kind], int(old)
    end = 1 << generator.choice([power for power in ENDS if power <= bits])
    near = generator.choice([old + 1, old - 1, 2 * old, old + generator.randint(-64, 64)])
    new = generator.choice([near, int(other), 0, 1, -1, end, end - 1, generator.getrandbits(bits)])
    new %= 1 << bits
    return new - (1 << bits) if kind.islower() and new >> (bits - 1) else new


def use_model(path: Path) -> str:
    """Load a model as `vedette run` does, and classify: the label, or the error."""
    try:
        classifier = Classifier(path)
        list(replay_samples(classifier))
        return classifier.classify(draw_test_pattern(0)).label
    except VedetteError as error:
        return f"refused: {error}"


def forge_models(model: Path, seeds: range, use: Callable[[Path], str] = use_model) -> None:
    """Forge and use a model file for each seed."""
    graph, members = unpack(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "forged.tflite")
        for seed in seeds:
            path.write_bytes(pack(forge_graph(graph, seed), members))
            write(f"{seed} ")
            signal.alarm(LONGEST_S)  # ends a process that hangs
            result = use(path)
            assert result.isprintable(), result
            write(f"{read_peak_mb()} {result}\n")


def read_peak_mb() -> int:
    """This process' peak of resident memory, in MB; getrusage has that of its parent, too."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def write(text: str) -> None:
    """Write to standard output at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    first = int(sys.argv[2])
    forge_models(Path(sys.argv[1]), range(first, first + int(sys.argv[3])))

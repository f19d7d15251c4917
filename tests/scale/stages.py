"""The cost of each stage of `vedette-train fit` and of `vedette predict`, for docs/scale.md.

    .venv/bin/python -m tests.scale.stages PHOTOS [--model model.tflite] [--copies 1] [--turns 2]

PHOTOS has a folder of photographs a class. Each gets so many names. All runs on one core, stage by
stage, each part in a process of its own, and the lowest times of the turns count. Without --model,
`vedette predict` is left out. The last part, `tests.scale.growth`, takes no photographs.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from tests.scale import costs, growth
from tests.scale.costs import Cost, format_bytes
from tests.scale.projection import print_projection
from tests.scale.watches import say

from vedette_edge.images.discovery import find_images

PARTS = ("training", "prediction", "head", "client")


def main(options: argparse.Namespace) -> None:
    """Measure and print everything."""
    say(describe(find_images(options.photos), options.copies))
    parts = [part for part in PARTS if part != "prediction" or options.model]
    measured = [cost for part in parts for cost in measure_turns(options, part)]
    print_costs(measured)
    grown = growth.measure_all(options.counts, 1)
    growth.print_growth(grown)
    print_projection([*measured, *grown])


def measure_turns(options: argparse.Namespace, part: str) -> list[Cost]:
    """Measure a part several times. Of the head, the lowest times are those of two numbers."""
    flags = ["--copies", str(options.copies), "--part", part]
    if options.model:
        flags += ["--model", str(options.model)]
    lowest = costs.keep_lowest(
        [costs.run("tests.scale.stages", str(options.photos), *flags) for _ in range(options.turns)]
    )
    if part != "head":
        return lowest
    half = len(lowest) // 2
    pairs = zip(lowest[:half], lowest[half:], strict=True)
    return [cost for some, more in pairs for cost in costs.separate(some, more)]


def describe(pictures: Sequence[Path], copies: int) -> str:
    """Describe the photographs."""
    size = float(np.mean([picture.stat().st_size for picture in pictures]))
    image = cv2.imread(str(pictures[len(pictures) // 2]))
    assert image is not None
    height, width = image.shape[:2]
    return (
        f"{len(pictures):,} photographs of {width} x {height} px or the like, {format_bytes(size)} "
        f"each, under {copies * len(pictures):,} names; {growth.CONFIG.architecture}, "
        f"{growth.CONFIG.size} px"
    )


def print_costs(measured: Sequence[Cost]) -> None:
    """Print a row of the table for each stage."""
    say("| a thousand pictures | s | CPU s | on disk | to workers | from workers | memory |")
    say("|---|---|---|---|---|---|---|")
    for cost in measured:
        share = 1000 / (cost.pictures or 1000)
        numbers = cost.disk, cost.sent, cost.received, cost.memory
        sizes = " | ".join(format_bytes(share * one) if one else "" for one in numbers)
        say(f"| {cost.stage} | {share * cost.wall_s:.3g} | {share * cost.cpu_s:.3g} | {sizes} |")


def measure_part(options: argparse.Namespace, folder: Path) -> Iterator[Cost]:
    """Measure a part."""
    from tests.scale import command_costs, worker_costs  # import TensorFlow

    if options.part == "head":
        return command_costs.measure_head(folder)
    if options.part == "client":
        return command_costs.measure_client(folder)
    data = worker_costs.link_photographs(options.photos, folder / "data", options.copies)
    if options.part == "prediction":
        return worker_costs.measure_prediction(data, options.model, folder / "results.jsonl")
    return worker_costs.measure_training(data, folder / "store")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The cost of stages")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--part", choices=PARTS)
    chosen = parser.parse_args()
    costs.use_one_core()
    if chosen.part:
        with TemporaryDirectory() as name:
            costs.report(measure_part(chosen, Path(name)))
    else:
        main(chosen)

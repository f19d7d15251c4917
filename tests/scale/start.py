"""The time of a watch from its start to its first label, compared with its imports alone.

    .venv/bin/python tests/scale/start.py MODEL... [--times 9]

Both run in turn, so that a busy machine slows both; with a synthetic camera and a self-test.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

MOST_ABOVE_S = 0.5
IMPORTS = """
import vedette_edge.__main__, vedette_edge.cli.run
from vedette_edge.model import interpreter
interpreter.find_runtime()
"""


def main(models: list[Path], times: int) -> int:
    """Print medians for each model; return 1 if a start takes too long."""
    print("imports s  first label s  above s   (fastest, slowest)")  # noqa: T201  what it is for
    late = False
    for model in models:
        pairs = [(time_imports(), time_first_label(model)) for _ in range(times)]
        above = [label - imported for imported, label in pairs]
        alone, label, more = map(statistics.median, (*zip(*pairs, strict=True), above))
        spread = f"({min(above):.2f}, {max(above):.2f})"
        print(f"{alone:9.2f}  {label:13.2f}  {more:7.2f}   {spread}  {model.name}")  # noqa: T201
        late |= more > MOST_ABOVE_S
    return int(late)


def time_imports() -> float:
    """Time a process that only imports what a watch needs, in seconds."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.monotonic() - begin


def time_first_label(model: Path) -> float:
    """Time a watch until it reports its first frame, in seconds."""
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera"]
    begin = time.monotonic()
    with subprocess.Popen(
        [*command, "synthetic:640x480@30", "--every-frame", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        if not any('"frame"' in line for line in process.stdout):
            raise SystemExit(f"{model}: the watch ended without a label")
        took_s = time.monotonic() - begin
        process.terminate()
    return took_s


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time from start to first label")
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--times", type=int, default=9)
    arguments = parser.parse_args()
    sys.exit(main(arguments.models, arguments.times))

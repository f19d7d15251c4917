"""How long a watch takes from its start to its first label, beside what its imports alone take.

    .venv/bin/python tests/scale/start.py MODEL... [--times 9]

Both in turn, so that a busy machine slows both; the camera is synthetic, the model proves itself.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

MOST_ABOVE_S = 0.5
IMPORTS = """
import vedette_edge.__main__, vedette_edge.model.classifier, vedette_edge.watch.reporter
import vedette_edge.capture.supervisor, vedette_edge.watch.loop, vedette_edge.watch.smoothing
import vedette_edge.sinks.log_file, vedette_edge.sinks.terminal
from vedette_edge.model import interpreter
interpreter.find_runtime()
"""


def main(models: list[Path], times: int) -> int:
    """Print medians for each model; gives 1 where a start takes too long."""
    print("imports s  first label s  above s   (fastest, slowest)")  # noqa: T201  what it is for
    late = False
    for model in models:
        pairs = [(imports(), first_label(model)) for _ in range(times)]
        above = [label - imported for imported, label in pairs]
        alone, label, more = map(statistics.median, (*zip(*pairs, strict=True), above))
        spread = f"({min(above):.2f}, {max(above):.2f})"
        print(f"{alone:9.2f}  {label:13.2f}  {more:7.2f}   {spread}  {model.name}")  # noqa: T201
        late |= more > MOST_ABOVE_S
    return int(late)


def imports() -> float:
    """Seconds of a process that imports what a watch needs, and no more."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.monotonic() - begin


def first_label(model: Path) -> float:
    """Seconds until a watch has told of its first frame."""
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
    given = parser.parse_args()
    sys.exit(main(given.models, given.times))

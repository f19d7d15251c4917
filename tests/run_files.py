"""A run and the files of its folder, as tests make and read them."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vedette_edge import preprocess
from vedette_edge.images import decoding
from vedette_edge.model.contract import parse_contract


def load_metrics(run: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_bytes())
    return metrics


def load_split(run: Path) -> list[dict[str, str]]:
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load_parts(run: Path) -> dict[str, str]:
    return {row["sha256"]: row["part"] for row in load_split(run)}


def load_weights(run: Path) -> list[np.ndarray]:
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    return list(model.get_weights())


def predict_part(run: Path, data: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """The kept model's answers to a part, and the truth."""
    contract = parse_contract((run / "contract.json").read_bytes())
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    rows = [row for row in load_split(run) if row["part"] == part]
    prepared = [preprocess(decoding.read_image(data / row["file"]), contract) for row in rows]
    truth = np.array([contract.labels.index(row["label"]) for row in rows])
    return model.predict_on_batch(np.stack(prepared)), truth


def stop_fit(
    command: Sequence[str | Path], line: str, signum: signal.Signals, after_s: float = 0
) -> tuple[int, str]:
    """Run vedette-train, and send it a signal once it has printed a line of progress.

    Returns the exit code, and the lines that it printed from then on.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "vedette_train", *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        while line not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(after_s)
        process.send_signal(signum)
        printed = process.stderr.read()
    return process.returncode, printed

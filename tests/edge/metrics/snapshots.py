"""Snapshots of a watch's figures, and Prometheus' own judgement of a text."""

import shutil
import subprocess
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

PROMTOOL = shutil.which("promtool")
HISTOGRAM = {"edges": (0.01, 0.1), "counts": [2, 1, 1], "sum": 1.25}


def create_snapshot(labels: tuple[str, ...] = ("fox",), **more: object) -> dict[str, Any]:
    """Create a snapshot of a watch that has shown these labels; the last one stands."""
    return {
        "build": {"version": "1", "interpreter": "i 2", "model": "m.tflite", "model_sha256": "ab"},
        "started_at": 1.8e9,
        "frames": {"classified": 4, "dropped": 2, "skipped": 0},
        "unclassified_regions": 0,
        "stages": {"invoke": HISTOGRAM, "log": HISTOGRAM},
        "age": HISTOGRAM,
        "regions": [{"region": "", "label": labels[-1], "score": 0.75}],
        "changes": [{"region": "", "label": label, "count": 3} for label in labels],
        "camera": {"up": True, "losses": 1},
        "last_frame_at": 1.8e9 + 5,
        "paused": False,
        "log": {"written": 9, "dropped": 0, "left_out": 1, "failing_since": None},
        "outputs": {
            "mqtt": {"connected": False, "sent": 5, "dropped": 1, "refused": 2},
            "webhooks": {"sent": 3, "failed": 1, "dropped": 0, "waiting": 7},
            "watch": {"dropped": 0, "refused": 1},
        },
        "health": {"temperature_c": 61.5, "now": ("throttled",), "before": ("under-voltage",)},
        **more,
    }


def read_samples(text: bytes) -> dict[str, float]:
    """Read each sample of a text, by its name and its labels as Prometheus writes them."""
    samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for one in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(one.labels.items()))
            key = f"{one.name}{{{labels}}}" if labels else one.name
            assert key not in samples, f"{key} is there twice"
            samples[key] = one.value
    return samples


def check_with_promtool(text: bytes) -> None:
    """Let promtool check a text: it finds errors, and names that break Prometheus' rules."""
    if not PROMTOOL:
        pytest.skip("promtool is not installed: apt install prometheus")
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

"""Snapshots of a watch: each shows the frame that its record names."""

import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.numbered_frames import HEIGHT, WIDTH, draw_frame, read_number


def watch_frames(model: Path, folder: Path, count: int, *flags: str) -> list[dict[str, object]]:
    """Watch frames with numbers on standard input, each when the snapshot before is written.

    Returns the changes.
    """
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--json", "--live"]
    arguments = ["--camera", f"-:raw:{WIDTH}x{HEIGHT}", "--smoothing", "0", "--dwell", "0"]
    snapshots, changes = folder / "snapshots", list[dict[str, object]]()
    with subprocess.Popen(
        [*command, *arguments, "--snapshots", str(snapshots), *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        for number in range(1, count + 1):
            process.stdin.write(draw_frame(number).tobytes())
            process.stdin.flush()
            while (record := json.loads(process.stdout.readline()))["event"] != "change":
                pass
            changes.append(record)
            while "snapshot" in record and not (snapshots / record["snapshot"]).exists():
                time.sleep(0.001)
        process.stdin.close()
        assert process.wait(60) == 0
    return changes


def test_each_of_a_thousand_snapshots_shows_the_frame_that_its_record_names(
    model: Path, tmp_path: Path
) -> None:
    changes = watch_frames(model, tmp_path, 1000, "--snapshots-files", "1000")
    assert [change["frame"] for change in changes] == list(range(1, 1001))
    for change in changes:
        jpeg = (tmp_path / "snapshots" / str(change["snapshot"])).read_bytes()
        assert read_number(jpeg) == change["frame"]


def test_a_snapshot_that_no_rule_lets_through_is_neither_kept_nor_named(
    model: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[on]]\nlabel = "red"\nsnapshot = true\n', "utf-8")
    changes = watch_frames(model, tmp_path, 60, "--config", str(config))
    assert {change["label"] for change in changes} == {"red", "green", "blue"}
    names = {path.name for path in (tmp_path / "snapshots").iterdir()}
    assert names == {change["snapshot"] for change in changes if change["label"] == "red"}
    assert all("snapshot" not in change for change in changes if change["label"] != "red")


def test_the_copy_with_the_region_drawn_is_a_second_file(model: Path, tmp_path: Path) -> None:
    region = f"colour=0,{HEIGHT // 2},{WIDTH},{HEIGHT // 2}"
    changes = watch_frames(model, tmp_path, 30, "--region", region, "--snapshots-regions")
    change = changes[0]
    name = str(change["snapshot"])
    plain = cv2.imread(str(tmp_path / "snapshots" / name))
    marked = cv2.imread(str(tmp_path / "snapshots" / name.replace(".jpg", "-region.jpg")))
    assert plain is not None
    assert marked is not None
    difference = np.abs(plain.astype(int) - marked.astype(int)).max(2)
    assert difference[HEIGHT // 2, WIDTH // 2] > 50
    assert difference[: HEIGHT // 2 - 8].max() < 20


@pytest.mark.parametrize("flags", [(), ("--every-frame",)])
def test_a_snapshot_has_the_label_the_score_and_the_time_in_exif(
    model: Path, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    changes = watch_frames(model, tmp_path, 10, *flags)
    change = changes[0]
    data = (tmp_path / "snapshots" / str(change["snapshot"])).read_bytes()
    assert f"{change['label']} {change['score']:.2f}".encode() in data
    assert b'"frame"' in data or b'"frame"'.decode().encode("utf-16-le") in data

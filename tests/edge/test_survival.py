"""What a watch survives: `vedette run` as a whole, in a process of its own.

`make endurance` does it as often as the product promises; else a few times must do.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

FULL = bool(os.environ.get("ENDURANCE"))
STAND_INS = Path(__file__).parent / "stand_ins"


class Run:
    """A watch through the stand-in for a USB camera, unless its flags name another."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.folder, self.log = folder, folder / "logs" / "watch.jsonl"
        self._model, self._out, self.err = model, folder / "out", folder / "err"
        found_in = os.pathsep.join(filter(None, [str(STAND_INS), os.environ.get("PYTHONPATH", "")]))
        self.environment = {"STAND_INS": str(folder), "PYTHONPATH": found_in}

    def shows(self, what: str) -> None:
        """Let the camera show that from its next frame on."""
        self.control("camera", what)

    def control(self, name: str, what: str) -> None:
        """Set a control of the stand-ins."""
        (self.folder / "new").write_text(what, "utf-8")
        (self.folder / "new").replace(self.folder / name)

    def start(self, *flags: str, camera: str = "/dev/video0") -> None:
        command = [sys.executable, "-m", "vedette_edge", "run", str(self._model), "--json"]
        arguments = ["--camera", camera, "--log", str(self.log), "--smoothing", "0", *flags]
        with self._out.open("wb") as out, self.err.open("wb") as err:
            environment = os.environ | self.environment
            self.process = subprocess.Popen(
                [*command, *arguments], stdout=out, stderr=err, env=environment
            )

    def told(self, *events: str) -> list[dict[str, Any]]:
        """What it has told of so far, of these events or of all."""
        whole = self._out.read_text("utf-8").rpartition("\n")[0].splitlines()
        return [one for one in map(json.loads, whole) if not events or one["event"] in events]

    def wait(self, event: str, times: int = 1, timeout_s: float = 60) -> dict[str, Any]:
        """Until an event was told of so often; gives the last one."""
        self.until(lambda: len(self.told(event)) >= times, timeout_s)
        return self.told(event)[-1]

    def until(self, true: Callable[[], bool], timeout_s: float = 60) -> None:
        limit_s = time.monotonic() + timeout_s
        while not true():
            assert self.process.poll() is None, self.err.read_text("utf-8")
            assert time.monotonic() < limit_s, self.told()
            time.sleep(0.02)

    def camera_processes(self) -> list[int]:
        """Those of this watch, orphans among them."""
        found, mark = [], f"STAND_INS={self.folder}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # gone meanwhile
                if b"vedette_edge.capture_process" not in (entry / "cmdline").read_bytes():
                    continue
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    def end(self) -> None:
        """SIGTERM; it ends within 2 s, and leaves nobody behind."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        assert time.monotonic() - begin < 2  # the service's promise
        assert (code, self.camera_processes()) == (0, []), self.err.read_text("utf-8")

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]


@pytest.fixture
def run(model: Path, tmp_path: Path) -> Iterator[Run]:
    made = Run(model, tmp_path)
    made.shows("red")
    yield made
    made.process.kill()
    made.process.wait()
    for left in made.camera_processes():
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


def held(pid: int) -> tuple[int, int]:
    """Descriptors and threads of a process."""
    descriptors, threads = (
        len(list(Path(f"/proc/{pid}", kind).iterdir())) for kind in ("fd", "task")
    )
    return descriptors, threads


def test_each_kill_of_the_camera_process_is_lost_once_and_back_once(run: Run) -> None:
    kills = 100 if FULL else 4
    run.start()
    run.wait("change")
    before = held(run.process.pid)
    for number in range(1, kills + 1):
        time.sleep(0.6)  # longer than the pause: one that comes and goes is tried less often
        (child,) = run.camera_processes()
        os.kill(child, signal.SIGKILL)
        run.wait("back", number)
    assert held(run.process.pid) == before
    run.end()
    events = [one["event"] for one in run.logged() if one["event"] != "delivers"]
    assert events == ["start", "change", *["lost", "back"] * kills, "stop"]
    assert {one["reason"] for one in run.told("lost")} == {"the capture process died"}
    assert all(0.4 < one["lost_s"] < 10 for one in run.told("back"))


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ("0x0", "gave no picture"),
        ("grey", "gave no picture"),
        ("float", "gave no picture"),
        ("nothing", "gave no picture"),
        ("blocks", "no frame for 3 s"),
        ("holds all", "no frame for 3 s"),
    ],
)
def test_a_camera_that_gives_garbage_or_nothing_is_lost_once_and_back_once(
    run: Run, shown: str, reason: str
) -> None:
    run.environment["SILENCE_S"] = "3"
    run.start()
    run.wait("change")
    run.shows(shown)
    assert reason in run.wait("lost")["reason"]
    time.sleep(2)  # in which it is tried again, in vain
    run.shows("green")
    lost_s = run.wait("back")["lost_s"]
    assert 2 < lost_s < 20
    assert run.wait("change", 2)["lasted_s"] > lost_s - 0.1  # which is rounded
    run.end()
    told = [one["event"] for one in run.logged() if one["event"] in ("lost", "back", "change")]
    assert told == ["change", "lost", "back", "change"]


@pytest.mark.parametrize("shown", ["sizes", "huge"])
def test_frames_of_other_sizes_are_looked_at_as_they_are(run: Run, shown: str) -> None:
    run.start("--every-frame")
    run.wait("change")
    run.shows(shown)
    time.sleep(0.5)
    run.wait("frame", len(run.told("frame")) + 12)
    assert not run.told("lost")
    assert {one["label"] for one in run.told("frame")} == {"red"}
    run.end()


def test_a_usb_camera_that_is_absent_at_first_and_pulled_out_later_is_picked_up(run: Run) -> None:
    device = run.folder / "camera"
    device.unlink()
    run.start()
    assert "is not there" in run.wait("lost")["reason"]
    time.sleep(1)
    run.shows("red")
    run.wait("back")
    device.unlink()
    assert "gave no picture" in run.wait("lost", 2)["reason"]
    run.shows("red")
    run.wait("back", 2)
    run.end()
    assert [one["event"] for one in run.told("lost", "back")] == ["lost", "back"] * 2


def test_the_camera_process_goes_with_its_master_though_its_driver_lets_no_python_run(
    run: Run,
) -> None:
    run.start()
    run.wait("change")
    run.shows("holds all")
    time.sleep(0.5)
    run.process.kill()
    run.process.wait()
    limit_s = time.monotonic() + 5
    while run.camera_processes():
        assert time.monotonic() < limit_s
        time.sleep(0.02)


def stuck(where: str) -> Callable[[Run], None]:
    """The watch stands still there."""

    def prepare(run: Run) -> None:
        run.control("stuck", where)
        run.start()
        run.until((run.folder / "reached").exists)

    return prepare


def no_device(run: Run) -> None:
    (run.folder / "camera").unlink()
    run.start()
    run.wait("lost")


def opening(run: Run) -> None:
    run.shows("does not open")
    run.start()
    run.wait("start")
    time.sleep(1)


def watching(run: Run) -> None:
    run.start("--every-frame")
    run.wait("frame", 5)


def blocked(run: Run) -> None:
    run.start()
    run.wait("change")
    run.shows("holds all")
    time.sleep(0.5)


PHASES: dict[str, Callable[[Run], None]] = {
    "importing": stuck("interpreter.import_module"),
    "reading the model": stuck("model_file.read"),
    "building the interpreter": stuck("interpreter.Network"),
    "self-test": stuck("golden.replay"),
    "opening the camera": opening,
    "camera absent": no_device,
    "watching": watching,
    "camera blocked": blocked,
}


@pytest.mark.parametrize("phase", PHASES)
def test_sigterm_ends_it_in_every_phase_within_2_seconds(run: Run, phase: str) -> None:
    PHASES[phase](run)
    run.end()
    if run.told("start"):
        assert run.logged()[-1].items() >= {"event": "stop", "reason": "SIGTERM"}.items()


def test_sigterm_ends_it_though_the_log_s_disk_is_full(run: Run, small_disk: Path) -> None:
    (small_disk / "hog").write_bytes(bytes(2 * 1024 * 1024))
    run.log = small_disk / "watch.jsonl"
    run.start()
    run.until(lambda: b"cannot be written (No space left on device)" in run.err.read_bytes())
    run.end()
    assert run.told()[-1].items() >= {"event": "stop", "reason": "SIGTERM"}.items()
    said = run.err.read_text("utf-8")
    assert (said.count("cannot be written ("), said.count("still cannot be written")) == (1, 1)


def test_sigterm_at_any_moment_of_a_start_ends_it(run: Run) -> None:
    dice = random.Random(7)
    for _ in range(40 if FULL else 4):
        run.start()
        time.sleep(dice.uniform(0, 1.5))
        run.process.send_signal(signal.SIGTERM)
        # Before any of our code runs, Python knows no better than to die of it; systemd is content.
        assert run.process.wait(20) in (0, -signal.SIGTERM), run.err.read_text("utf-8")
        assert not run.camera_processes()
        assert not run.err.read_text("utf-8").count("Traceback")
    with suppress(FileNotFoundError):  # where none came so far as to open its log
        events = [one["event"] for one in run.logged()]
        assert events.count("start") == events.count("stop")


def test_a_clock_that_is_set_back_an_hour_confuses_neither_log_nor_decisions(run: Run) -> None:
    ahead_s = datetime.now().replace(hour=12, minute=0).timestamp() - time.time()
    run.control("clock", str(ahead_s))
    run.start("--dwell", "0")
    begin = time.monotonic()
    run.wait("change")
    time.sleep(2)
    run.control("clock", str(ahead_s - 3600))
    time.sleep(2)
    run.shows("green")
    run.wait("change", 2)
    (child,) = run.camera_processes()
    os.kill(child, signal.SIGKILL)
    run.wait("back")
    run.end()
    whole_s = time.monotonic() - begin
    first, second = run.told("change")
    assert 3 < second["lasted_s"] < whole_s
    assert second["time"] < first["time"]
    assert 0 < run.told("back")[0]["lost_s"] < whole_s
    shown = subprocess.run(
        [sys.executable, "-m", "vedette_edge", "log", run.log, "--summary", "--json"],
        capture_output=True,
        text=True,
        env=os.environ | run.environment,
        check=True,
    )
    day = json.loads(shown.stdout)
    assert 0 < day["watched_s"] <= whole_s
    assert day["lost"] == 1
    stays = {stay["label"]: stay["lasted_s"] for stay in day["stays"]}
    assert stays.keys() == {"red", "green"}
    assert sum(stays.values()) <= whole_s

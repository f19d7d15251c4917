"""Many kills: nothing leaks from one capture process to the next, and no log is damaged.

`make endurance` repeats it as often as the product promises; otherwise a few times must do.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from vedette_edge.log.reader import Damage, Tail

FULL = bool(os.environ.get("ENDURANCE"))
FLUSH_S, LATE_S = 0.3, 1.0  # between flushes, and what a flush may take on a busy disk

RESTARTS = """
import json, os, signal, sys, time
from pathlib import Path
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE
from vedette_edge.capture.supervisor import Supervisor, Timeouts
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.model.model_file import read_model_file

restarts, contract = int(sys.argv[1]), read_model_file(Path(sys.argv[2])).contract
source = CameraConfig("synthetic:640x480@30")
config = CaptureConfig(source, Orientation(), contract, (WHOLE,), 0.0, 0.0, False)

def list_children():
    listed = Path("/proc/self/task", str(os.getpid()), "children").read_text()
    return [int(pid) for pid in listed.split()]

def count_resources():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "kB": pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "shared memories": Path("/proc/self/maps").read_text().count("memfd"),
        "children": len(list_children()),
    }

def wait_for_frame(supervisor):
    while not supervisor.next_frame(1.0):
        pass

kinds, after = [], []
with Supervisor(
    config, lambda event: kinds.append(event.kind), timeouts=Timeouts(pauses_s=(0.0,))
) as supervisor:
    wait_for_frame(supervisor)
    for number in range(restarts):
        os.kill(supervisor.pid, signal.SIGKILL)
        while kinds.count("restored") <= number:
            wait_for_frame(supervisor)
        if number in (restarts // 10, restarts - 1):
            after.append(count_resources())
counts = {kind: kinds.count(kind) for kind in ("lost", "restored")}
print(json.dumps({"counts": counts, "after": after, "left": list_children()}))
"""


def test_nothing_leaks_from_one_capture_process_to_the_next(model: Path) -> None:
    restarts = 1000 if FULL else 20
    done = subprocess.run(
        [sys.executable, "-c", RESTARTS, str(restarts), str(model)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["counts"] == {"lost": restarts, "restored": restarts}
    assert result["left"] == []
    early, late = result["after"]
    grown_kb = late.pop("kB") - early.pop("kB")
    assert early == late
    assert late["children"] == 1  # and so no zombies
    assert grown_kb < 1000, result
    print(f"{restarts} restarts: {grown_kb} kB more, {late}")  # noqa: T201


def watch(model: Path, log: Path, out: Path) -> "subprocess.Popen[bytes]":
    """A watch that logs many hundred frames a second."""
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", "synthetic"]
    limits = f"--log-day 1000 --log-total 1000 --log-flush {FLUSH_S}".split()
    with out.open("wb") as file:
        return subprocess.Popen(
            [*command, "--every-frame", "--json", "--log", str(log), *limits],
            stdout=file,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"LOGS_TO": str(log)},
        )


def kill_while_writing(process: "subprocess.Popen[bytes]", out: Path, after_s: float) -> float:
    """Kill a watch some time after its first frame; return when, in seconds since the epoch."""
    while b'"frame"' not in out.read_bytes():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(after_s)
    killed_at = time.time()
    process.kill()
    process.wait()
    return killed_at


def list_frames(lines: Iterable[str]) -> list[dict[str, Any]]:
    return [one for one in map(json.loads, lines) if one["event"] == "frame"]


def wait_until_gone(log: Path) -> None:
    """Until no camera process is left of the watch that logged there."""
    limit_s, mine = time.monotonic() + 5, f"LOGS_TO={log}"
    while any(mine in line and "capture_process" in line for line in processes()):
        assert time.monotonic() < limit_s
        time.sleep(0.05)


def processes() -> list[str]:
    """All that run, with their environments."""
    listed = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def test_a_watch_that_is_killed_while_it_writes_damages_no_log(model: Path, tmp_path: Path) -> None:
    kills, kept_all, dice = 200 if FULL else 5, 0, random.Random(7)
    log, out, damage = tmp_path / "watch.jsonl", tmp_path / "out.jsonl", Damage()
    with Tail(log, damage) as tail:
        for _ in range(kills):
            killed_at = kill_while_writing(watch(model, log, out), out, dice.uniform(0, 2))
            kept = list_frames(record.text for record in tail.records())
            shown = list_frames(out.read_text("utf-8").rpartition("\n")[0].splitlines())
            assert kept[: len(shown)] == shown[: len(kept)]
            for lost in shown[len(kept) :][:1]:  # the first one
                at = datetime.fromisoformat(lost["time"]).timestamp()
                assert killed_at - at < FLUSH_S + LATE_S
            kept_all += len(kept)
            wait_until_gone(log)
    assert damage.lines <= kills  # half a line a kill at most
    listed = subprocess.run(
        [sys.executable, "-m", "vedette_edge", "log", str(log), "--event", "start"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0 < len(listed.stdout.splitlines()) <= kills
    print(f"{kills} kills: {kept_all} frames kept, {damage.lines} lines damaged")  # noqa: T201

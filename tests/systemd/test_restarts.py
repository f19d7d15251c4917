"""Stops in each phase, and restarts after failures: the table in docs/service.md."""

import os
from collections.abc import Callable

import pytest
from tests.edge.model.packing import pack, unpack
from tests.systemd.conftest import Create
from tests.systemd.machine import MODEL, Machine, wait_until
from tests.systemd.service import Service

SOON = "RestartSec=100ms\n"


def start_only(service: Service) -> None:
    service.control("start", "--no-block")


def lose_camera(service: Service) -> None:
    service.configure(camera="http://127.0.0.1:9/stream")
    service.control("start")
    service.wait("camera_lost")


def open_camera(service: Service) -> None:
    service.configure(camera="http://127.0.0.1:8001/silent")
    service.control("start")
    service.wait("start")


def deliver(service: Service) -> None:
    service.control("start")
    service.wait("change")


PHASES: dict[str, Callable[[Service], None]] = {
    "starting": start_only,
    "camera lost": lose_camera,
    "camera opening": open_camera,
    "delivering": deliver,
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_stop_ends_it_in_time_in_each_phase(create: Create, phase: str) -> None:
    """It is a failure after the unit's 5 s, or in `make endurance` after the promised 2."""
    service = create("TimeoutStopSec=2\n" if os.environ.get("ENDURANCE") else "")
    PHASES[phase](service)
    service.control("stop")
    assert (service.show("Result"), service.show("ActiveState")) == ("success", "inactive")
    if phase != "starting":  # Python may not have handled signals yet
        assert (service.show("ExecMainCode"), service.show("ExecMainStatus")) == ("1", "0")
        assert service.records()[-1].items() >= {"event": "stop", "reason": "SIGTERM"}.items()


def test_a_crash_is_a_restart_and_a_start_without_a_stop(create: Create) -> None:
    service = create(SOON)
    deliver(service)
    before = service.processes()
    service.control("kill", "--kill-whom=main", "--signal=SIGKILL")
    service.wait("start", 2)
    service.wait("change", 2)
    assert service.show("NRestarts") == "1"
    assert not service.records("stop")
    assert len(before) == len(service.processes()) == 2
    assert not before & service.processes()


def test_a_capture_process_that_is_killed_is_replaced_without_a_restart(
    machine: Machine, create: Create
) -> None:
    service = create()
    deliver(service)
    main = service.show("MainPID")
    (capture,) = service.processes() - {main}
    scores = [int(machine.require("cat", f"/proc/{pid}/oom_score_adj")) for pid in (main, capture)]
    assert scores[0] < scores[1]  # the kernel ends it first if the memory is used up
    service.kill_capture()
    service.wait("camera_restored")
    assert len(service.records("camera_lost")) == 1
    assert (service.show("MainPID"), service.show("NRestarts")) == (main, "0")


@pytest.mark.parametrize(
    ("wrong", "lines"),
    [
        ({"model": "/etc/vedette/wrong.tflite"}, ["wrong.tflite: not a .tflite model"]),
        ({"dwel": 1.0, "fps": "fast"}, ["unknown key 'dwel'", "fps: 'fast'"]),
    ],
)
def test_a_wrong_model_or_configuration_is_named_and_tried_again(
    machine: Machine, create: Create, wrong: dict[str, object], lines: list[str]
) -> None:
    machine.write("/etc/vedette/wrong.tflite", b"no model")
    service = create(SOON, **wrong)
    service.control("start", "--no-block")
    wait_until(lambda: int(service.show("NRestarts")) >= 2, service.explain)
    service.control("stop")
    output = service.read_output()
    assert len(output) % len(lines) == 0
    assert all(words in line for words, line in zip(lines * 2, output, strict=False))
    assert not service.records()


def test_what_only_frames_show_ends_the_watch_after_a_reload_until_the_file_is_right(
    create: Create,
) -> None:
    service = create(SOON)
    deliver(service)
    service.configure(region=["door=60,0,10,10"])  # of 64 x 48 pixels
    service.control("reload")
    service.wait_for_message("region door reaches to 70, 10; the frame ends at 64, 48")
    wait_until(lambda: service.show("NRestarts") != "0", service.explain)
    service.configure()
    service.wait("change", 2)


def swap_samples() -> bytes:
    """Create a model file that is whole, but whose red sample shows something green."""
    graph, members = unpack(MODEL)
    return pack(graph, {**members, "golden/red.png": members["golden/green.jpeg"]})


def test_a_self_test_that_fails_is_the_reason_of_a_stop_and_tried_again(
    machine: Machine, create: Create
) -> None:
    machine.write("/etc/vedette/swapped.tflite", swap_samples())
    service = create(SOON, model="/etc/vedette/swapped.tflite")
    service.control("start", "--no-block")
    service.wait("stop", 2)
    assert service.show("ActiveEnterTimestampMonotonic") == "0"  # it never was
    assert "1 of 4 samples differ" in service.records("stop")[0]["reason"]
    assert len(service.records("start")) >= 2


def test_output_that_is_turned_off_leaves_the_messages_in_the_journal(create: Create) -> None:
    usual, service = create(), create("StandardOutput=null\n")
    deliver(usual)
    deliver(service)
    service.configure(dwel=1.0)
    service.control("reload")
    service.wait_for_message("'dwel'")
    assert any("red" in line for line in usual.read_output())
    assert not any("red" in line for line in service.read_output())

"""`vedette check`: settings of the service, the chart, and the report."""

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from tests.edge.model.packing import pack, unpack
from tests.edge.mosquitto import Mosquitto
from tests.edge.vedette_command import call_vedette
from tests.edge.video_files import write_video

from vedette_edge import Contract
from vedette_edge.doctor import FAULT, OK, WARNING
from vedette_edge.model.contract import serialize_contract
from vedette_edge.model.golden_samples import INDEX


def test_check_takes_the_settings_of_the_service(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'model = "{model}"\ncamera = "/dev/video63"\nlog = "{tmp_path}/watch.jsonl"\nfps = 3\n',
        encoding="utf-8",
    )
    result = call_vedette("check", "--config", config, "--json")
    report = json.loads(result.stdout)
    levels = {finding["subject"]: finding["level"] for finding in report["findings"]}
    assert (result.exit_code, report["ok"], report["equal"]) == (1, False, True)
    assert (levels["model"], levels["disk"], levels["camera"]) == (OK, OK, FAULT)
    config.write_text(f'model = "{model}"\n', encoding="utf-8")
    assert f"camera     {config} names none" in call_vedette("check", "--config", config).stdout
    without = call_vedette("check", "--config", config, "--camera", "")
    assert "names none" not in without.stdout
    config.write_text('camera = "synthetic"\nregion = "door=600,0,100,100"\n', encoding="utf-8")
    assert "door" in call_vedette("check", model, "--config", config).stdout
    config.write_text("leave = 0.6\n", encoding="utf-8")
    contradicting = call_vedette("check", model, "--config", config, "--camera", "")
    assert "fault    settings" in contradicting.stdout
    assert f"{config}: enter 0.5 is below leave 0.6" in contradicting.stdout
    config.write_text("camra = 1", encoding="utf-8")
    assert "'camera'" in call_vedette("check", "--config", config).stderr


def test_check_asks_the_broker_of_the_service(broker: Mosquitto, tmp_path: Path) -> None:
    config, password = tmp_path / "config.toml", tmp_path / "password"

    def check(text: str) -> list[dict[str, str]]:
        config.write_text(text, encoding="utf-8")
        result = call_vedette("check", "--config", config, "--json")
        assert "hunter2" not in result.stdout + result.stderr
        findings: list[dict[str, str]] = json.loads(result.stdout)["findings"]
        return [one for one in findings if one["subject"] in ("mqtt", "settings")]

    assert check("fps = 2\n") == []
    assert [one["level"] for one in check(f'mqtt = "mqtt://127.0.0.1:{broker.port}"\n')] == [OK]
    (finding,) = check('mqtt = "mqtt://me:hunter2@127.0.0.1:1"\ncommands = false\n')
    assert (finding["level"], "nothing listens" in finding["detail"]) == (WARNING, True)
    (fault,) = check(f'mqtt = "mqtt://me@127.0.0.1"\nmqtt-password-file = "{password}"\n')
    assert (fault["level"], str(password) in fault["detail"]) == (FAULT, True)


def test_a_missing_model_is_one_fault_among_the_findings(tmp_path: Path) -> None:
    result = call_vedette("check", tmp_path / "gone.tflite")
    assert result.exit_code == 1
    assert result.stdout.startswith("fault    model")
    assert "ok       runtime" in result.stdout
    assert f"{tmp_path / 'gone.tflite'}: No such file" in result.stdout
    assert result.stderr == "Error: 1 fault found: model\n"
    log = call_vedette("check", tmp_path / "gone.tflite", "--log", "/dev/null")
    assert log.stderr == "Error: 2 faults found: model, disk\n"


def test_check_recognizes_a_mirrored_camera_by_the_chart(model: Path, tmp_path: Path) -> None:
    chart = tmp_path / "chart.png"
    assert call_vedette("check", "--write-chart", chart).exit_code == 0
    again = call_vedette("check", "--write-chart", chart)
    assert (again.exit_code, "exists already" in again.stderr) == (1, True)
    mirrored_rgb = np.asarray(cv2.imread(str(chart)), np.uint8)[::5, ::-5, ::-1]
    video = write_video(tmp_path / "clip.avi", [mirrored_rgb] * 8)
    result = call_vedette("check", model, "--camera", video, "--test-chart", "--json")
    findings = {one["subject"]: one for one in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 1
    assert findings["model"]["level"] == OK
    assert "--flip horizontal" in findings["chart"]["fix"]
    flags = ("--camera", video, "--flip", "horizontal", "--test-chart", "--json")
    fixed = json.loads(call_vedette("check", *flags).stdout)["findings"]
    assert {one["subject"]: one["level"] for one in fixed}["chart"] == OK


def test_the_chart_needs_a_camera() -> None:
    result = call_vedette("check", "--test-chart")
    assert (result.exit_code, "--camera" in result.stderr) == (2, True)


def test_a_hostile_model_neither_controls_the_terminal_nor_fills_it(
    repacked: Callable[..., Path], contract: Contract
) -> None:
    hostile, fields = "\x1b]0;hello\x07" * 9999, json.loads(serialize_contract(contract))
    for changed in (
        {"normalisation": hostile},
        {hostile: 1},
        {"provenance": {hostile: 1}},
        {"provenance": [hostile]},
    ):
        path = repacked(json.dumps(fields | changed))
        for result in (call_vedette("check", path), call_vedette("inspect", path)):
            assert result.exit_code == 1
            assert "contract: " in result.output
            assert "\x1b" not in result.output
            assert max(map(len, result.output.splitlines())) < 1000


def test_hostile_names_of_samples_neither_control_the_terminal_nor_fill_it(
    model: Path, tmp_path: Path
) -> None:
    graph, members = unpack(model)
    index, path = json.loads(members[INDEX]), tmp_path / "hostile.tflite"
    for name, shown in (("\x1b[2J", r"\x1b[2J"), ("\x1b[2J" * 99_999, "more than 300 characters")):
        index["samples"][0]["name"] = name
        path.write_bytes(pack(graph, members | {INDEX: json.dumps(index).encode()}))
        result = call_vedette("check", path)
        assert (result.exit_code, shown in result.stdout) == (1, True)
        assert "\x1b" not in result.output
        assert max(map(len, result.output.splitlines())) < 1000


def test_check_tells_users_without_a_name_and_logs_in_a_circle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", Mock(side_effect=KeyError("uid not found: 4242")))
    log = tmp_path / "watch.jsonl"
    log.symlink_to(log)
    result = call_vedette("check", "--log", log)
    assert result.exit_code == 1
    assert "fault    disk" in result.stdout

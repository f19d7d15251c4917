"""`vedette run` with figures for Prometheus: at the socket, and in a file for node_exporter."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.edge.conftest import Run, WriteConfig
from tests.edge.metrics.snapshots import check_with_promtool, read_samples
from tests.edge.mosquitto import wait_until
from tests.edge.vedette_command import call_vedette, read_events, start_watch

from vedette_edge.live.client import LiveClient
from vedette_edge.log.records import format_timestamp
from vedette_edge.metrics.exposition import generate_metrics


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vedette.prom"


@pytest.fixture
def config(write_config: WriteConfig, model: Path, tmp_path: Path, path: Path) -> Path:
    """A watch with a log, a metrics file and a socket, whose heartbeats come often."""
    return write_config(
        f'model = "{model}"\ncamera = "synthetic:64x48@20"\njson = true\nheartbeat = 0.3\n'
        f'log = "{tmp_path / "watch.jsonl"}"\nlog-flush = 0.1\n'
        f'metrics_file = "{path}"\nsocket = "{tmp_path / "watch.sock"}"\n'
    )


def accepts(path: Path) -> bool:
    """True if somebody listens at a socket; one that was just made may not be ready yet."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        return probe.connect_ex(str(path)) == 0


def read_socket(folder: Path) -> bytes:
    """Read the figures at the socket, as text."""
    wait_until(lambda: accepts(folder / "watch.sock"))
    with LiveClient(folder / "watch.sock") as viewer:
        viewer.request(["metrics"])
        return generate_metrics(viewer.read().header)


def test_the_figures_are_those_of_the_log(config: Path, tmp_path: Path) -> None:
    with start_watch(config) as watch:
        (first,) = read_events(watch, "change")[-1:]
        begun = [read_events(watch, "heartbeat")[-1] for _ in range(2)][-1]
        classified, frames = (
            'vedette_frames_total{outcome="classified"}',
            float(str(begun["frames"])),
        )
        # The counters are looked at ten times a second, and so may be a moment old.
        wait_until(lambda: read_samples(read_socket(tmp_path))[classified] >= frames)
        text, read_at = read_socket(tmp_path), format_timestamp()
        ended = begun
        while str(ended["time"]) <= read_at:  # earlier ones may wait to be read
            ended = read_events(watch, "heartbeat")[-1]
    check_with_promtool(text)
    samples = read_samples(text)
    for outcome, name in (("classified", "frames"), ("dropped", "dropped"), ("skipped", "skipped")):
        count = samples[f'vedette_frames_total{{outcome="{outcome}"}}']
        assert float(str(begun[name])) <= count <= float(str(ended[name]))
    assert samples[f'vedette_label{{label="{first["label"]}",region=""}}'] == 1
    assert samples[f'vedette_changes_total{{label="{first["label"]}",region=""}}'] == 1
    assert samples["vedette_camera_up"] == 1
    assert samples['vedette_log_records_total{fate="written"}'] > 0
    assert samples['vedette_sink_up{sink="log"}'] == 1
    assert samples['vedette_sink_up{sink="metrics_file"}'] == 1
    for stage in "capture preprocess handover invoke decide log".split():
        assert samples[f'vedette_stage_seconds_count{{stage="{stage}"}}'] > 0


def test_the_file_is_there_with_a_lost_camera_and_the_socket_answers_at_once(
    run: Run, tmp_path: Path, path: Path
) -> None:
    run.start("--metrics-file", str(path), "--socket", str(tmp_path / "watch.sock"))
    run.wait("change")
    (tmp_path / "camera").unlink()
    run.wait("camera_lost")
    names = ("vedette_camera_up", "vedette_camera_losses_total")  # one changes before the other
    run.wait_until(lambda: [*map(read_samples(read_socket(tmp_path)).get, names)] == [0, 1])
    assert path.exists()
    run.show("red")
    run.wait("camera_restored")
    run.wait_until(lambda: read_samples(read_socket(tmp_path))["vedette_camera_up"] == 1)
    run.end()


def test_the_file_is_there_though_no_camera_ever_was(run: Run, path: Path) -> None:
    (run.folder / "camera").unlink()
    run.start("--metrics-file", str(path))
    run.wait("camera_lost")
    samples = read_samples(path.read_bytes())
    assert samples["vedette_camera_up"] == 0
    check_with_promtool(path.read_bytes())
    run.end()


def test_the_file_goes_with_the_watch_and_a_reload_begins_anew(config: Path, path: Path) -> None:
    with start_watch(config) as watch:
        read_events(watch, "change")
        before = read_samples(path.read_bytes())["vedette_start_time_seconds"]
        watch.send_signal(signal.SIGHUP)
        read_events(watch, "start")
        read_events(watch, "change")
        assert read_samples(path.read_bytes())["vedette_start_time_seconds"] > before
        watch.send_signal(signal.SIGTERM)
        watch.communicate()
        assert watch.returncode == 0
    assert list(path.parent.glob("*prom*")) == []


def test_a_watch_that_is_killed_leaves_its_file_and_the_next_one_replaces_it(
    config: Path, path: Path
) -> None:
    with start_watch(config) as watch:
        read_events(watch, "change")
    left = path.stat().st_mtime_ns
    with start_watch(config) as watch:
        read_events(watch, "change")
        assert path.stat().st_mtime_ns > left


def test_a_folder_of_images_has_figures_too(model: Path, photos: Path, path: Path) -> None:
    flags = ("--loop", "--metrics-file", path, "--socket", photos.parent / "watch.sock")
    arguments = [str(one) for one in ("run", model, "--camera", photos, "--json", *flags)]
    with subprocess.Popen(
        [sys.executable, "-m", "vedette_edge", *arguments], stdout=subprocess.DEVNULL
    ) as watch:
        try:
            name = 'vedette_changes_total{label="blue",region=""}'
            wait_until(lambda: read_samples(read_socket(photos.parent)).get(name, 0) > 1)
        finally:
            watch.terminate()


def test_another_name_than_node_exporter_reads_is_refused(model: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    result = call_vedette("run", model, "--camera", "synthetic", "--metrics-file", mine)
    assert result.exit_code == 2
    assert "does not end in .prom" in result.stderr
    assert mine.read_text() == "mine"


def test_a_mistake_in_the_settings_is_reported_by_the_doctor(config: Path, path: Path) -> None:
    shown = json.loads(call_vedette("check", "--config", config, "--json").stdout)
    (finding,) = (one for one in shown["findings"] if one["subject"] == "metrics")
    assert (finding["level"], finding["detail"]) == ("ok", f"{path} can be written")
    config.write_text(config.read_text().replace("vedette.prom", "vedette.txt"))
    result = call_vedette("check", "--config", config)
    assert result.exit_code == 1
    assert "metrics-file" in result.stderr


def test_without_the_package_the_watch_says_what_to_install(
    model: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    for name in ("exposition", "metrics_file"):
        monkeypatch.delitem(sys.modules, f"vedette_edge.metrics.{name}", raising=False)
    result = call_vedette("run", model, "--camera", "synthetic", "--metrics-file", path)
    assert result.exit_code == 1
    assert "pip install 'vedette-edge[metrics]'" in result.stderr
    assert os.listdir(path.parent) == []  # noqa: PTH208


def test_a_reload_that_needs_a_missing_package_is_refused_and_the_watch_goes_on(
    config: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked"
    (blocked / "prometheus_client").mkdir(parents=True)
    (blocked / "prometheus_client" / "__init__.py").write_text("raise ImportError")
    settings = config.read_text()
    config.write_text(settings.replace("metrics_file", "# metrics_file"))
    python_path = os.pathsep.join(filter(None, [str(blocked), os.environ.get("PYTHONPATH", "")]))
    with start_watch(config, PYTHONPATH=python_path) as watch:
        read_events(watch, "change")
        config.write_text(settings)
        watch.send_signal(signal.SIGHUP)
        assert watch.stderr
        while "vedette-edge[metrics]" not in watch.stderr.readline():
            pass
        read_events(watch, "heartbeat")

"""`vedette predict --cluster`: the answers of one machine, by workers that proved the model."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.edge.dask_cluster import (
    NO_CREDENTIALS,
    NO_PICTURES,
    NOT_INSTALLED,
    OTHER_DECODERS,
    OTHER_VERSION,
    PLAIN,
    SWAPPED_CHANNELS,
    DaskCluster,
)
from tests.edge.mosquitto import find_free_port, wait_until
from tests.edge.prediction.conftest import DrawPictures
from tests.edge.vedette_command import call_vedette


@pytest.fixture
def archive(draw_pictures: DrawPictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A relative folder of 300 pictures."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "archive"
    folder.mkdir()
    draw_pictures(folder, 300)
    return folder.name


def test_the_answers_are_the_bytes_of_one_machine(
    cluster: DaskCluster,
    model: Path,
    archive: str,
) -> None:
    cluster.start_workers(PLAIN, PLAIN)
    (Path(archive) / "gone.jpg").symlink_to("nowhere")
    command = ["predict", str(model), archive, "--top-k", "2", "--json"]
    here = call_vedette(*command)
    there = call_vedette(*command, "--cluster", cluster.address)
    assert there.stdout == here.stdout
    assert there.stderr == here.stderr
    assert there.exit_code == here.exit_code == 4
    assert len(here.stdout.splitlines()) == 301


def test_a_worker_that_sees_otherwise_takes_no_part(
    cluster: DaskCluster,
    model: Path,
    archive: str,
) -> None:
    cluster.start_workers(PLAIN, SWAPPED_CHANNELS, OTHER_VERSION, OTHER_DECODERS, NOT_INSTALLED)
    command = ["predict", str(model), archive, "--csv", "--cluster", cluster.address]
    result = call_vedette(*command)
    assert result.stdout == call_vedette(*command[:-2]).stdout
    assert "the channels of the input are swapped" in result.stderr
    assert "is installed, expected 0.0.9" not in result.stderr
    assert "vedette-edge 0.0.9 is installed, expected 0.1.0; install the same" in result.stderr
    assert "it decodes GIF, JPEG XL, expected " in result.stderr
    assert "cannot load Vedette, or fails: ModuleNotFoundError" in result.stderr
    assert result.stderr.count("left out tcp://127.0.0.1:") == 4
    cluster.workers[0].kill()
    result = call_vedette(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: no worker takes part. tcp://127.0.0.1:" in result.stderr


def test_a_worker_that_does_not_see_the_pictures_takes_no_part(
    cluster: DaskCluster, model: Path, archive: str
) -> None:
    cluster.start_workers(PLAIN, NO_PICTURES, NO_CREDENTIALS)
    result = call_vedette("predict", model, archive, "--csv", "--cluster", cluster.address)
    assert re.search(r"left out tcp:\S+ .*/archive/000.png: No such file", result.stderr)
    assert "locate credentials; the command can read it, so check this worker's" in result.stderr
    assert result.stdout == call_vedette("predict", model, archive, "--csv").stdout


def test_pictures_that_are_gone_get_no_answer(
    cluster: DaskCluster, model: Path, archive: str
) -> None:
    """Their folder is no longer mounted."""
    cluster.start_workers(PLAIN)
    out, folder = Path("results.jsonl"), Path(archive)
    with start_predict(model, archive, out.name, cluster.address) as process:
        wait_until(lambda: out.exists() and out.stat().st_size)
        folder.rename("away")
        process.wait(60)
        assert process.stderr
        errors = process.stderr.read()
    Path("away").rename(folder)
    assert process.returncode in (1, 4)  # the latter if it was too fast
    assert process.returncode == 4 or "is its folder still mounted?" in errors
    call_vedette("predict", model, archive, "--out", out.name)
    call_vedette("predict", model, archive, "--out", "whole.jsonl")
    assert out.read_bytes() == Path("whole.jsonl").read_bytes()


def start_predict(model: Path, archive: str, out: str, address: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "vedette_edge", "predict", str(model), archive]
    return subprocess.Popen(
        [*command, "--out", out, "--cluster", address], stderr=subprocess.PIPE, text=True
    )


def test_a_killed_worker_and_a_killed_command_lose_nothing(
    cluster: DaskCluster,
    model: Path,
    archive: str,
) -> None:
    whole = call_vedette("predict", model, archive, "--out", "whole.jsonl")
    cluster.start_workers(PLAIN, PLAIN)
    out = Path("results.jsonl")
    with start_predict(model, archive, out.name, cluster.address) as first:
        wait_until(lambda: out.exists() and out.stat().st_size)
        first.kill()
    some = out.read_bytes().count(b"\n")
    assert 0 < some < 300
    with start_predict(model, archive, out.name, cluster.address) as second:
        wait_until(lambda: out.read_bytes().count(b"\n") > some)
        cluster.workers[0].kill()
        second.wait(60)
    assert second.returncode == whole.exit_code
    assert out.read_bytes() == Path("whole.jsonl").read_bytes()


def test_ctrl_c_keeps_the_answers(cluster: DaskCluster, model: Path, archive: str) -> None:
    cluster.start_workers(PLAIN, PLAIN)
    out = Path("results.jsonl")
    with start_predict(model, archive, out.name, cluster.address) as process:
        wait_until(lambda: out.exists() and out.stat().st_size)
        cluster.workers[0].send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert process.stderr
        errors = process.stderr.read()
    assert process.returncode == 130
    assert errors.endswith("the same command goes on\nStopped.\n")


def test_an_output_that_is_full_ends_it_without_a_traceback(
    cluster: DaskCluster, model: Path, archive: str
) -> None:
    cluster.start_workers(PLAIN)
    command = [sys.executable, "-m", "vedette_edge", "predict", str(model), archive, "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "--cluster", cluster.address],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_cluster_of_this_machine_needs_no_address(model: Path, archive: str) -> None:
    command = [sys.executable, "-m", "vedette_edge", "predict", str(model), archive, "--json"]
    done = subprocess.run(
        [*command, "--cluster", "local", "--workers", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == call_vedette(*command[3:]).stdout
    assert all(line.startswith("left out archive/") for line in done.stderr.splitlines()[:-1])
    assert json.loads(done.stdout.splitlines()[1])["picture"] == "archive/001.png"


def test_workers_of_a_cluster_elsewhere_are_not_counted_here(model: Path, archive: str) -> None:
    address = f"tcp://127.0.0.1:{find_free_port()}"
    result = call_vedette("predict", model, archive, "--cluster", "")
    assert (result.exit_code, result.stdout) == (1, "")
    result = call_vedette("predict", model, archive, "--cluster", address, "--workers", "2")
    assert result.exit_code == 2
    assert f"the cluster at {address} has its own; omit it" in result.stderr


def test_without_dask_the_command_says_what_to_install(
    model: Path, archive: str, tmp_path: Path
) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "vedette_edge", "predict", str(model), archive]
    done = subprocess.run(
        [*command, "--cluster", "local"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 1
    assert "pip install 'vedette-edge[cluster]'" in done.stderr

"""Models that may end the process: each first runs in another one, until it has passed once."""

import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.model.packing import pack, unpack, write_deadly

from vedette_edge import Classifier
from vedette_edge.errors import ModelFileError, RuntimeMissingError
from vedette_edge.model import interpreter, probe, sandbox
from vedette_edge.model.interpreter import find_runtime


@pytest.fixture
def verdicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for verdicts, as systemd names it to a service that has several."""
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path / 'state'}:/another")
    return tmp_path / "state" / "probed"


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, int]]:
    """The models that would be probed, with the number of threads."""
    probes: list[tuple[bytes, int]] = []
    monkeypatch.setattr(probe, "probe_model", lambda *arguments: probes.append(arguments))
    return probes


def test_a_deadly_graph_with_fitting_checksums_is_an_error_every_time(
    model: Path, tmp_path: Path, verdicts: Path
) -> None:
    deadly = tmp_path / "deadly.tflite"
    write_deadly(model, deadly)
    for _ in range(2):
        with pytest.raises(ModelFileError, match=r"deadly.*(crashed \(SIG|refuses the model)"):
            Classifier(deadly)
    assert not verdicts.exists()


def test_a_good_verdict_is_kept(
    model: Path, verdicts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Classifier(model, threads=1)
    assert len(list(verdicts.iterdir())) == 1
    monkeypatch.setattr(probe, "run_sandboxed", None)
    Classifier(model, threads=1)


def test_a_verdict_is_of_one_file_one_runtime_and_a_number_of_threads(
    model: Path,
    tmp_path: Path,
    verdicts: Path,
    probed: list[tuple[bytes, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(pack(*unpack(model), zipfile.ZIP_DEFLATED))
    one, another = model.read_bytes(), other.read_bytes()
    for _ in range(2):
        Classifier(model, threads=1)
        Classifier(other, threads=1)
        Classifier(model, threads=2)
    assert probed == [(one, 1), (another, 1), (one, 2)]
    newer = replace(find_runtime(), name="ai-edge-litert 999")
    monkeypatch.setattr(interpreter, "find_runtime", lambda: newer)
    Classifier(model, threads=1)
    assert probed[3:] == [(one, 1)]
    assert len(list(verdicts.iterdir())) == 4


def test_where_no_verdict_can_be_kept_each_start_probes(
    model: Path,
    tmp_path: Path,
    probed: list[tuple[bytes, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "file"))
    Classifier(model)
    Classifier(model)
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", raise_no_home)
    Classifier(model)
    assert len(probed) == 3


def raise_no_home() -> None:
    raise RuntimeError("Could not determine home directory.")


def test_only_the_newest_verdicts_stay(
    model: Path, verdicts: Path, probed: list[tuple[bytes, int]]
) -> None:
    verdicts.mkdir(parents=True)
    for other in ("notes.txt", "e" * 65):
        (verdicts / other).touch()
        os.utime(verdicts / other, (0, 0))
    hashes = [f"{number:064x}" for number in range(probe.MOST_VERDICTS + 3)]
    for number, name in enumerate(hashes):
        (verdicts / name).touch()
        os.utime(verdicts / name, (number, number))
    (verdicts / ("f" * 64)).symlink_to("gone")
    Classifier(model)
    names = {path.name for path in verdicts.iterdir()}
    assert len(names) == probe.MOST_VERDICTS + 2
    assert {*hashes[:6], "notes.txt", "e" * 65} & names == {hashes[5], "notes.txt", "e" * 65}


def test_people_have_their_verdicts_in_their_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert probe.find_verdicts() == Path("/home/someone/.cache/vedette/probed")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert probe.find_verdicts() == Path("/somewhere/vedette/probed")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("STATE_DIRECTORY", "relative")
    assert probe.find_verdicts() == Path("/home/someone/.cache/vedette/probed")


def test_what_was_just_converted_is_not_probed(
    model: Path, verdicts: Path, probed: list[tuple[bytes, int]]
) -> None:
    Classifier(model, just_converted=True)
    assert probed == []
    assert not verdicts.exists()


def test_a_runtime_that_never_ends_is_given_up(model: Path) -> None:
    with pytest.raises(ModelFileError, match=r"0\.01 s"):
        probe.probe_model(model.read_bytes(), 1, timeout_s=0.01)


def test_a_module_in_the_current_folder_is_not_run(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(1)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    probe.probe_model(model.read_bytes(), 1)


def test_a_program_that_ignores_sigchld_learns_of_a_crash(
    model: Path, tmp_path: Path, verdicts: Path
) -> None:
    """Such a program has no exit codes of its children, not even of one that a signal ended."""
    deadly = tmp_path / "deadly.tflite"
    write_deadly(model, deadly)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(ModelFileError, match=r"deadly.*(crashed|refuses the model)"):
            Classifier(deadly)
        assert not verdicts.exists()
        Classifier(model)
        assert len(list(verdicts.iterdir())) == 1
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_process_that_openblas_ends_lacked_a_thread() -> None:
    said = b"OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 2\nKeyboardInterrupt"
    reason = "SIGINT: no further thread can be started, see ulimit -u"
    assert sandbox.describe_death(-signal.SIGINT, said) == reason


def test_a_probe_ends_by_itself_also_without_proc() -> None:
    script = (
        "import time; from vedette_edge.model import probe; probe.TIMEOUT_S = 0.1; "
        "probe.Path = lambda _: Path('/gone'); from pathlib import Path; "
        "probe.find_runtime = lambda: time.sleep(100); probe.run_within_limits(b'', '1')"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert done.returncode == -signal.SIGALRM


def test_a_program_that_hides_its_python_is_told(
    model: Path, verdicts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", None)
    with pytest.raises(RuntimeMissingError, match=r"sys\.executable is empty"):
        Classifier(model)


def test_the_probe_finds_a_package_that_a_program_brings_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brought.py").write_text("def run(*_): print('noise')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert sandbox.run_sandboxed("brought:run", b"") is None

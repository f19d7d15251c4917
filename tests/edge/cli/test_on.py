"""`vedette on`: real commands that run for the records of a real log."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.logging_now import LIMITS, wait_until
from tests.edge.vedette_command import call_vedette

from vedette_edge.log.records import create_record
from vedette_edge.sinks.log_file import LogFile

NOTE = '#!/bin/sh\nprintf "%s\\n" "$VEDETTE_LABEL" >>labels\n'


class On:
    """`vedette on` as a process, in a folder where its commands leave files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "logs" / "watch.jsonl"
        self._out, self._err = folder / "out", folder / "err"

    def write_script(self, text: str = NOTE) -> str:
        path = self.folder / "script"
        path.write_text(text, "utf-8")
        path.chmod(0o755)
        return "./script"

    def start(self, *arguments: str, ready: str = "following it") -> None:
        command = [sys.executable, "-m", "vedette_edge", "on", "--log", str(self.log), *arguments]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, cwd=self.folder)
        self.wait_for(ready)

    def wait_for(self, words: str) -> None:
        """Wait for some words on standard error."""
        self.wait_until(lambda: words in self.read_errors())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        def is_met() -> bool:
            assert condition() or self.process.poll() is None, self.read_errors()
            return condition()

        wait_until(is_met)

    def wait_for_lines(self, count: int) -> list[str]:
        """Wait for lines on standard output, one a run; return them."""
        self.wait_until(lambda: len(self.read_output()) >= count)
        return self.read_output()

    def wait_for_pid(self, name: str) -> int:
        """Wait until a command has written a process ID to a file."""
        path = self.folder / name
        self.wait_until(lambda: path.exists() and path.read_text("utf-8").endswith("\n"))
        return int(path.read_text("utf-8"))

    def read_labels(self) -> list[str]:
        return (self.folder / "labels").read_text("utf-8").splitlines()

    def read_output(self) -> list[str]:
        return self._out.read_text("utf-8").splitlines()

    def read_errors(self) -> str:
        return self._err.read_text("utf-8")

    def read_variables(self) -> dict[bytes, bytes]:
        """Read what `env -0 >variables` has written."""
        pairs = (self.folder / "variables").read_bytes().rstrip(b"\0").split(b"\0")
        return dict(pair.split(b"=", 1) for pair in map(bytes, pairs))

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def on(tmp_path: Path) -> Iterator[On]:
    on = On(tmp_path)
    yield on
    if hasattr(on, "process"):
        on.process.kill()
        on.process.wait()


@pytest.fixture
def watch(on: On) -> Iterator[LogFile]:
    """The log of a watch that has already seen a fox."""
    with LogFile(on.log, LIMITS) as watch:
        watch.write(create_change("fox"))
        wait_until(lambda: on.log.exists() and on.log.stat().st_size > 0)
        yield watch


def create_change(label: str, age_s: float = 0, **fields: object) -> dict[str, object]:
    record = create_record("change", time.time() - age_s)
    return record | {"label": label, "best": label, "score": 0.53} | fields


def run_on(*arguments: str | Path, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run it until it ends by itself."""
    command = [*before, sys.executable, "-m", "vedette_edge", "on", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def is_alive(pid: int) -> bool:
    """False for a process that has ended, also if nobody has asked how."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


HOSTILE = "$(touch hacked) `touch hacked`; 'fox'\n\"\x1b[2J%n -rf / \0ü"


def test_the_command_gets_the_change_in_its_environment_and_no_shell_interprets_it(
    on: On, watch: LogFile
) -> None:
    on.start("--", on.write_script('#!/bin/sh\nenv -0 >variables; echo "$VEDETTE_LABEL"\n'))
    watch.write(create_change(HOSTILE, previous="\ud800", region="door", frame_score=0.91))
    lines = on.wait_for_lines(1)
    variables = on.read_variables()
    assert variables[b"VEDETTE_EVENT"] == b"change"
    assert variables[b"VEDETTE_LABEL"] == HOSTILE.replace("\0", "").encode()
    assert variables[b"VEDETTE_PREVIOUS"] == b"?"
    assert variables[b"VEDETTE_REGION"] == b"door"
    assert variables[b"VEDETTE_SCORE"] == b"0.91"
    assert variables[b"VEDETTE_SNAPSHOT"] == b""
    record = json.loads(variables[b"VEDETTE_RECORD"])
    assert (record["label"], record["score"]) == (HOSTILE, 0.53)
    assert variables[b"VEDETTE_TIME"].decode() == record["time"]
    assert variables[b"PATH"] == os.environb[b"PATH"]
    assert not (on.folder / "hacked").exists()
    assert "\x1b" not in lines[0]
    assert "$(touch hacked)" in on.read_errors()  # what the command prints


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["fox", "hen", "fox", "hen", "end"]),
        (["--label", "fox", "--label", "end"], ["fox", "fox", "end"]),
        (["--region", "door"], ["hen", "end"]),
        (["--previous", "hen", "--previous", "none"], ["fox", "end"]),
        (["--score", "0.8"], ["hen", "fox", "end"]),
        (["--event", "camera_lost", "--event", "change"], ["fox", "hen", "", "fox", "hen", "end"]),
    ],
)
def test_only_records_that_meet_the_condition_run_it(
    on: On, watch: LogFile, options: list[str], expected: list[str]
) -> None:
    on.start(*options, "--", on.write_script())
    watch.write(create_change("fox", previous="none", frame_score=0.79))
    watch.write(create_change("hen", previous="fox", frame_score=0.8, region="door"))
    watch.write(create_record("camera_lost") | {"camera": "picamera2", "reason": "no frame"})
    watch.write(create_change("fox", previous="x", score=0.81))  # of an earlier version
    watch.write(create_change("hen", score=None))
    watch.write(create_record("heartbeat") | {"label": "fox", "region": "door", "score": 1})
    watch.write(create_change("end", previous="none", region="door", frame_score=1.0))
    on.wait_for_lines(len(expected))
    assert on.end() == 0
    assert on.read_labels() == expected


@pytest.mark.parametrize("option", ["--label", "--previous", "--region", "--score"])
def test_a_condition_that_no_record_meets_is_an_error(on: On, option: str) -> None:
    result = call_vedette("on", "--event", "camera_lost", option, "1", "--", "true")
    assert (result.exit_code, "without --event" in result.stderr) == (2, True)


def test_a_change_that_is_read_too_late_is_skipped_and_reported(on: On, watch: LogFile) -> None:
    on.start("--", on.write_script())
    watch.write(create_change("old", 61))
    watch.write(create_change("older", 7200))
    watch.write(create_change("recent", 30))
    on.wait_for("older than 60 s")
    on.wait_for_lines(1)
    on.end()
    assert on.read_labels() == ["recent"]
    assert "2 records skipped" in on.read_errors()


def test_the_cooldown_counts_from_one_change_to_the_next(on: On, watch: LogFile) -> None:
    on.start("--cooldown", "20", "--", on.write_script())
    for label, age_s in {"a": 50, "b": 40, "c": 29, "d": 11, "e": 8}.items():
        watch.write(create_change(label, age_s))
    watch.write(create_change("future", -3600))  # the clock was set back
    on.wait_for_lines(3)
    assert on.end() == 0
    assert on.read_labels() == ["a", "c", "e"]


def test_commands_run_one_at_a_time_and_changes_wait_for_their_turn(on: On, watch: LogFile) -> None:
    lock = "mkdir busy || echo overlap >>labels; sleep 0.2; rmdir busy\n"
    on.start("--", on.write_script(NOTE + lock))
    labels = [f"label {number}" for number in range(8)]
    for label in labels:
        watch.write(create_change(label))
    on.wait_for_lines(len(labels))
    assert on.read_labels() == labels


def test_a_change_whose_turn_comes_too_late_is_skipped(on: On, watch: LogFile) -> None:
    on.start("--max-age", "3", "--", on.write_script(f"{NOTE}sleep 4\n"))
    watch.write(create_change("fox"))
    watch.write(create_change("cat"))
    on.wait_for("1 record skipped")
    watch.write(create_change("hen"))
    on.wait_for_lines(2)
    assert on.read_labels() == ["fox", "hen"]


STUBBORN = """#!/bin/sh
trap '' TERM
sh -c 'trap "" TERM; echo $$ >child; exec sleep 300' &
echo $$ >parent
while :; do sleep 300; done
"""


def test_a_command_over_its_time_limit_is_killed_with_its_children(on: On, watch: LogFile) -> None:
    on.start("--timeout", "1", "--json", "--", on.write_script(STUBBORN))
    watch.write(create_change("fox"))
    on.wait_for("./script: ended after its time limit of 1 s")
    assert not is_alive(on.wait_for_pid("parent"))
    assert not is_alive(on.wait_for_pid("child"))
    run = json.loads(on.wait_for_lines(1)[0])
    assert (run["exit_code"], run["label"]) == (-signal.SIGKILL, "fox")
    on.write_script()
    watch.write(create_change("hen"))
    on.wait_for_lines(2)
    assert on.read_labels() == ["hen"]


def test_the_children_of_a_command_over_its_time_limit_can_clean_up(on: On, watch: LogFile) -> None:
    child = f"""{sys.executable} -c '
import pathlib, signal, time
def end(*_):
    time.sleep(0.5)
    pathlib.Path("off").touch()
    raise SystemExit
signal.signal(signal.SIGTERM, end)
pathlib.Path("ready").touch()
time.sleep(300)'
"""
    on.start("--timeout", "3", "--", on.write_script(f"#!/bin/sh\n{child}true\n"))
    watch.write(create_change("fox"))
    on.wait_for_lines(1)
    assert (on.folder / "ready").exists()
    assert (on.folder / "off").exists()


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_together_with_its_command(
    on: On, watch: LogFile, number: int, exit_code: int
) -> None:
    on.start("--", on.write_script(STUBBORN))
    watch.write(create_change("fox"))
    watch.write(create_change("hen"))
    pids = [on.wait_for_pid("parent"), on.wait_for_pid("child")]
    assert all(map(is_alive, pids))
    assert on.end(number) == exit_code
    assert not any(map(is_alive, pids))
    assert on.read_output() == []


def test_it_ends_while_no_command_runs_and_while_it_waits_for_a_log(on: On, watch: LogFile) -> None:
    on.start("--", "true")
    assert on.end() == 0
    on.log = on.folder / "missing"
    on.start("--", "true", ready="waiting for one")
    assert on.end() == 0


def test_a_command_that_fails_is_reported_and_the_next_one_runs(on: On, watch: LogFile) -> None:
    on.start("--json", "--", on.write_script("#!/bin/sh\nexit 3\n"))
    watch.write(create_change("a"))
    on.wait_for("./script: exit code 3")
    on.write_script("#!/bin/sh\nkill -SEGV $$\n")
    watch.write(create_change("b"))
    on.wait_for("./script: ended by signal 11")
    for wrong in ("no program of any kind\n", "#!/no/such/program\n", "#!/bin/sh\r\n"):
        on.write_script(wrong)
        before = on.read_errors().count("first line")
        watch.write(create_change("c"))
        on.wait_until(lambda before=before: on.read_errors().count("first line") > before)  # type: ignore[misc]
    (on.folder / "script").unlink()
    watch.write(create_change("d"))
    on.wait_for_lines(6)
    on.write_script()
    watch.write(create_change("e"))
    runs = [json.loads(line) for line in on.wait_for_lines(7)]
    assert [run["exit_code"] for run in runs] == [3, -signal.SIGSEGV, None, None, None, None, 0]
    assert [run.get("error", "")[:9] for run in runs[:3]] == ["exit code", "ended by ", "cannot be"]
    assert "error" not in runs[-1]


def test_a_command_that_cannot_be_run_is_an_error_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("no-such-command", "./no-such-file", "horn-script"):
        result = call_vedette("on", "--", name)
        assert (result.exit_code, f"{name}: command not found" in result.stderr) == (1, True)
    (tmp_path / "horn-script").touch()
    result = call_vedette("on", "--", "./horn-script")
    assert (result.exit_code, "chmod +x ./horn-script" in result.stderr) == (1, True)
    assert call_vedette("on").exit_code == 2


def test_it_goes_on_through_full_files_damaged_lines_and_a_new_watch(
    on: On, watch: LogFile
) -> None:
    on.start("--label", "fox", "--", on.write_script())
    watch.close()
    with LogFile(on.log, replace(LIMITS, file_bytes=400)) as watch:
        for number in range(20):
            watch.write(create_change("fox" if number % 2 else "hen", number=number))
    assert len(list(on.log.parent.glob("watch.*.jsonl"))) > 5
    with on.log.open("ab") as file:
        file.write(b'\0\0\0{"time":"2026-\n\xff\n{}\n[1]\n"fox"\n')
    with LogFile(on.log, LIMITS) as watch:
        watch.write(create_change("fox"))
        on.wait_for_lines(11)
    assert on.end() == 0
    assert on.read_labels() == ["fox"] * 11


@pytest.mark.parametrize("place", ["logs", "logs/watch.jsonl"])
def test_a_log_that_does_not_exist_yet_is_waited_for(on: On, place: str) -> None:
    log, on.log = on.log, on.folder / place
    on.start("--", on.write_script(), ready="waiting for one")
    with LogFile(log, LIMITS) as watch:
        watch.write(create_change("first"))
        on.wait_for_lines(1)
    assert on.read_labels() == ["first"]


def test_a_file_that_is_no_log_and_a_folder_with_several_are_errors(
    tmp_path: Path, model: Path
) -> None:
    done = run_on("--log", model, "--", "true")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not a log of a watch" in done.stderr
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).touch()
    done = run_on("--log", tmp_path, "--", "true")
    assert (done.returncode, done.stdout) == (1, "")
    assert "several, choose one" in done.stderr


@pytest.mark.parametrize("locked", ["logs", "logs/watch.jsonl"])
def test_a_log_without_permission_is_an_error(on: On, watch: LogFile, locked: str) -> None:
    setpriv = shutil.which("setpriv")
    if os.geteuid() == 0 and not setpriv:
        pytest.skip("root has all permissions, and setpriv is not installed")
    before = [str(setpriv), "--bounding-set=-all"] if os.geteuid() == 0 else []
    (on.folder / locked).chmod(0)
    done = run_on("--log", on.log, "--", "true", before=before)
    (on.folder / locked).chmod(0o700)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "ermission" in done.stderr


def test_a_snapshot_is_waited_for_and_its_path_is_absolute(on: On, watch: LogFile) -> None:
    script = '#!/bin/sh\ntest -z "$VEDETTE_SNAPSHOT" || cat "$VEDETTE_SNAPSHOT" >picture\n'
    on.start(
        "--snapshots", "snapshots", "--json", "--", on.write_script(f"{script}env -0 >variables")
    )
    (on.folder / "snapshots").mkdir()
    watch.write(create_change("fox", snapshot="fox 1.jpg"))
    time.sleep(0.5)
    (on.folder / "snapshots" / "fox 1.jpg").write_bytes(b"a picture")
    on.wait_for_lines(1)
    assert (on.folder / "picture").read_bytes() == b"a picture"
    path = os.fsencode(on.folder / "snapshots" / "fox 1.jpg")
    assert on.read_variables()[b"VEDETTE_SNAPSHOT"] == path
    for number, name in enumerate(("../out", "..", "\ud800\0", 5)):
        watch.write(create_change("fox", snapshot=name))
        on.wait_for_lines(number + 2)
        assert on.read_variables()[b"VEDETTE_SNAPSHOT"] == b""


def test_a_run_is_a_line_as_in_the_log_with_its_exit_code(on: On, watch: LogFile) -> None:
    on.start("--", "sh", "-c", "exit 4")
    watch.write(create_change("fox", region="door", frame_score=0.91, previous="none", lasted_s=3))
    line = on.wait_for_lines(1)[0]
    assert line.split()[2:6] == ["change", "door:", "fox", "91%"]
    assert "exit code 4 after 0." in line


@pytest.mark.parametrize(("command", "exit_code"), [("true", 0), ("false", 1)])
def test_once_ends_after_the_first_run_with_a_code_that_tells_if_it_failed(
    on: On, watch: LogFile, command: str, exit_code: int
) -> None:
    on.start("--once", "--json", command)
    watch.write(create_change("fox"))
    watch.write(create_change("hen"))
    assert on.process.wait(60) == exit_code
    assert len(on.read_output()) == 1


def test_a_label_or_region_that_no_record_has_yet_is_reported(on: On, watch: LogFile) -> None:
    on.start("--label", "foxx", "--label", "fox", "--region", "door", "--", "true")
    assert on.read_errors().count("no record has") == 1
    assert "label 'foxx' yet; did you mean 'fox'?" in on.read_errors()


def test_options_of_the_command_are_its_own(on: On, watch: LogFile) -> None:
    on.start("--label", "fox", "sh", "-c", 'echo "$@" >arguments', "sh", "--label", "--json", "*")
    watch.write(create_change("fox"))
    on.wait_for_lines(1)
    assert (on.folder / "arguments").read_text("utf-8") == "--label --json *\n"


def test_it_imports_neither_numpy_nor_opencv() -> None:
    code = "import sys, vedette_edge.cli.on; print(sorted({'numpy', 'cv2'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

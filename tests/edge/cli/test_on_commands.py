"""The commands of `vedette on`: one at a time, with a time limit, and their failures."""

import json
import signal
import sys
from pathlib import Path

import pytest
from tests.edge.cli.vedette_on import NOTE, On, create_change, is_alive
from tests.edge.vedette_command import call_vedette

from vedette_edge.sinks.log_file import LogFile


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


def test_options_of_the_command_are_its_own(on: On, watch: LogFile) -> None:
    on.start("--label", "fox", "sh", "-c", 'echo "$@" >arguments', "sh", "--label", "--json", "*")
    watch.write(create_change("fox"))
    on.wait_for_lines(1)
    assert (on.folder / "arguments").read_text("utf-8") == "--label --json *\n"

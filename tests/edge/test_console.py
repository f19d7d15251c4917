"""Output of commands and of the functions of a library: messages and progress."""

import io

import pytest
from rich.console import Console

from vedette_edge.console import Output, create_log_output


def test_messages_of_a_function_go_to_its_logger_alone(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In a notebook, too, and where the environment asks for colours."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    output = create_log_output("vedette_test")
    with output.show_progress("preparing pictures", 2) as advance:
        advance()
    output.err.print("2 of 9 pictures are HEIC\nand are left out", style="bold red")
    assert not caplog.messages
    with caplog.at_level("INFO", "vedette_test"):
        output.err.print("2 of 9 pictures are HEIC\nand are left out", style="bold red")
    assert caplog.messages == ["2 of 9 pictures are HEIC", "and are left out"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("terminal", "lines"), [(False, ["work: 10 of 30 done", "work: 20 of 30 done"]), (True, [])]
)
def test_without_a_terminal_long_work_prints_a_line_every_ten_seconds(
    *, terminal: bool, lines: list[str]
) -> None:
    now = 0.0
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, get_time=lambda: now, width=80)
    with Output(console, console).show_progress("work", 30) as advance:
        for _ in range(30):
            now += 1
            advance()
    printed = [line for line in written.getvalue().splitlines() if " done" in line]
    assert printed == lines

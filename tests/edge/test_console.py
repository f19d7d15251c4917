"""Output of the functions of a library."""

import pytest

from vedette_edge.console import create_log_output


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

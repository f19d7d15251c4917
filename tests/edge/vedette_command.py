"""The command line, called as a user calls it."""

from pathlib import Path

from click.testing import CliRunner, Result

from vedette_edge.__main__ import main


def call_vedette(*arguments: str | Path) -> Result:
    """Call `vedette`. A traceback fails the test."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result

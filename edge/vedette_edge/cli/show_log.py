"""Messages of loggers on the terminal."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console

from vedette_edge.console import escape_lines


@contextmanager
def show_log(console: Console, *names: str) -> Iterator[None]:
    """Show the messages of loggers from INFO on, warnings in yellow, while the context lasts."""

    class ConsoleHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            style = "yellow" if record.levelno >= logging.WARNING else None
            with suppress(OSError):  # the terminal may be closed
                console.print(escape_lines(self.format(record)), style=style)

    handler, loggers = ConsoleHandler(), [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)

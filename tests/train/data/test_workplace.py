"""What a run prints about the workers of its cluster."""

import io
from pathlib import Path

from rich.console import Console

from vedette_edge.console import Output
from vedette_train.data.workplace import Workplace


def test_each_refusal_is_printed_once(tmp_path: Path) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    place = Workplace(Output(console, console), tmp_path)
    place.print_refusals(["tcp://a: numpy 1, expected 2", "tcp://b: late\x1b"])
    place.print_refusals(["tcp://a: numpy 1, expected 2"])
    assert stream.getvalue().splitlines() == [
        "left out tcp://a: numpy 1, expected 2",
        r"left out tcp://b: late\x1b",
    ]

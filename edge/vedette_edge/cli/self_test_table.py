"""Render the self-test's replays for a person."""

from collections.abc import Sequence

from rich.table import Table

from vedette_edge.model.self_test import Replay


def render_replays(replays: Sequence[Replay]) -> Table:
    """Render a table with a line per sample."""
    head = ("sample", "label", "score off by", "")
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for replay in replays:
        steps = f"{replay.steps:.1f} steps"
        table.add_row(replay.name, replay.actual, steps, replay.differs or "equal")
    return table

"""The options of `vedette on`: the condition on a record, and the limits of the runs."""

from dataclasses import dataclass

import click

from vedette_edge.cli.options import collect_options
from vedette_edge.click_types import FiniteFloat
from vedette_edge.errors import SettingError
from vedette_edge.log.reader import LoggedRecord, RecordFilter

EVENTS = ("change", "camera_lost", "camera_restored")
SECONDS = FiniteFloat(0, 86_400)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on records."""

    event: tuple[str, ...]
    label: tuple[str, ...]
    previous: tuple[str, ...]
    region: tuple[str, ...]
    score: float | None

    def __post_init__(self) -> None:
        """Raise SettingError for a condition that no record meets."""
        named = self.label or self.previous or self.region or self.score is not None
        if named and self.event != ("change",):
            raise SettingError(
                "only changes have a label, a region and a score: use --label, --previous, "
                "--region and --score without --event"
            )

    def __call__(self, record: LoggedRecord) -> bool:
        """True if a record meets it."""
        score = find_score(record)
        return (
            RecordFilter(self.event, self.label, self.region)(record)
            and (not self.previous or record.find_text("previous") in self.previous)
            and (self.score is None or (score is not None and score >= self.score))
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the runs, in seconds."""

    timeout: float  # of a run
    cooldown: float  # between the changes that cause two runs
    max_age: float  # of a change when its turn comes


def find_score(record: LoggedRecord) -> float | None:
    """The score of the very frame; of an older watch, the smoothed one, which is lower."""
    score = record.find_number("frame_score")
    return record.find_number("score") if score is None else score


condition_options = collect_options(
    "condition",
    Condition,
    click.option("--label", multiple=True, help="Only a change to this label."),
    click.option("--previous", multiple=True, help="Only a change from this label."),
    click.option("--region", multiple=True, help="Only a change in this region."),
    click.option("--score", type=FiniteFloat(0, 1), help="Only a change with at least this score."),
    click.option(
        "--event",
        multiple=True,
        type=click.Choice(EVENTS),
        default=("change",),
        help="Events of the log.",
    ),
)
limit_options = collect_options(
    "limits",
    Limits,
    click.option(
        "--cooldown", type=SECONDS, default=0.0, help="Seconds before another change counts."
    ),
    click.option(
        "--timeout",
        type=FiniteFloat(0.1, 86_400),
        default=60.0,
        help="Seconds after which the command is ended.",
    ),
    click.option(
        "--max-age", type=SECONDS, default=60.0, help="Seconds after which a change is too old."
    ),
)

"""Summarize one day of a log."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from vedette_edge.console import escape_unprintable
from vedette_edge.log.formatting import format_duration, format_label, format_local_time
from vedette_edge.log.reader import LoggedRecord
from vedette_edge.log.records import format_timestamp

# Between records that are closer together, without a start in between, the watch ran on.
LONGEST_SILENCE_S = 900.0
SET_S = 5.0  # smallest jump that counts as setting the clock: `up_s` may be rounded
COUNTS = ("frames", "dropped")  # in heartbeats and stops, since the start of the watch

Span = tuple[float, float]  # from, to: seconds since the epoch


@dataclass(frozen=True, slots=True)
class LabelTotal:
    """The total of a label in one region over the day."""

    region: str
    label: str
    times: int  # that it appeared
    lasted_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A day from midnight to midnight of local time, or until now."""

    day: date
    first: float | None  # record, seconds since the epoch
    last: float | None
    stays: tuple[LabelTotal, ...]  # the longest first
    watched_s: float
    gaps: tuple[Span, ...]  # without a running watch
    frames: int
    dropped: int
    lost: int  # times that the camera was lost
    lost_s: float


def summarize(records: Iterable[LoggedRecord], day: date, now: float) -> Summary:
    """Summarize a day of a whole log; labels that last beyond midnight count up to it."""
    midnight = datetime.combine(day, datetime.min.time())
    begin, end = midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()
    accumulator = _DayAccumulator(begin, max(begin, min(end, now)))
    for record in records:
        accumulator.add(record)
    return accumulator.build_summary(day)


class _DayAccumulator:
    """Adds up the records of one day."""

    def __init__(self, begin: float, end: float) -> None:
        self._begin, self._end = begin, end
        self._bounds: list[float] = []  # times of the day's first and last record
        self._before: float | None = None  # time of the previous record
        self._present: dict[str, tuple[str, float]] = {}  # region: label and its start
        self._times: Counter[tuple[str, str]] = Counter()
        self._lasted_s: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._watched: list[Span] = []
        self._up: tuple[float, float] | None = None  # last `up_s`, and the start that it implies
        self._last_counts: dict[str, float] = {}  # since the start of the watch
        self._counts: Counter[str] = Counter()
        self._lost = 0
        self._lost_since: float | None = None
        self._lost_s = 0.0

    def add(self, record: LoggedRecord) -> None:
        """Add the next record of the log."""
        before = record.at if self._before is None else self._before
        if record.event == "start":
            self._end_run(before)
            self._last_counts = dict.fromkeys(COUNTS, 0)
            self._up = 0.0, record.at
        elif 0 < record.at - before <= LONGEST_SILENCE_S:
            self._add_watched(before, record.at)
        if (up_s := record.find_number("up_s")) is not None:
            self._follow_clock(record.at, up_s)
            self._add_watched(record.at - up_s, record.at)
        self._add_event(record)
        if self._holds(record.at):
            self._bounds = [min([*self._bounds, record.at]), max([*self._bounds, record.at])]
        self._before = record.at

    def build_summary(self, day: date) -> Summary:
        """Return the totals, with the last watch ended at its last record."""
        if self._before is not None:
            self._end_run(self._before)
        first, last = self._bounds or (None, None)
        gaps = tuple(_find_gaps(self._watched, self._begin, self._end))
        return Summary(
            day=day,
            first=first,
            last=last,
            stays=self._build_totals(),
            watched_s=round(self._end - self._begin - _add_seconds(gaps), 3),
            gaps=gaps,
            frames=self._counts["frames"],
            dropped=self._counts["dropped"],
            lost=self._lost,
            lost_s=round(self._lost_s, 3),
        )

    def _follow_clock(self, at: float, up_s: float) -> None:
        """If the clock was set since the last `up_s`, move earlier beginnings along with it.

        A Pi has no clock that runs while it is off: it starts with an old time.
        """
        last_s, began = self._up or (up_s, at - up_s)
        set_s = at - up_s - began
        if abs(set_s) < SET_S:
            self._up = up_s, began
            return
        self._up = up_s, at - up_s

        def move(since: float) -> float:
            return since if 0 <= at - since <= up_s - last_s else since + set_s

        self._present = {
            name: (label, move(since)) for name, (label, since) in self._present.items()
        }
        if self._lost_since is not None:
            self._lost_since = move(self._lost_since)

    def _add_event(self, record: LoggedRecord) -> None:
        if record.event == "change":
            self._add_change(record)
        elif record.event == "heartbeat":
            self._add_counts(record)
        elif record.event == "camera_lost":
            self._lost += self._holds(record.at)
            self._lost_since = record.at
        elif record.event == "camera_restored":
            self._add_restored(record.at, record.find_number("lost_s"))
        elif record.event == "stop":
            self._add_counts(record)
            self._end_run(record.at)

    def _add_change(self, record: LoggedRecord) -> None:
        """Add a label change; `lasted_s` of the previous label is by the monotonic clock."""
        region, lasted_s = record.find_text("region"), record.find_number("lasted_s") or 0.0
        self._add_stay(region, record.find_text("previous"), record.at - lasted_s, record.at)
        self._present[region] = record.find_text("label"), record.at
        if self._holds(record.at):
            self._times[region, record.find_text("label")] += 1

    def _add_counts(self, record: LoggedRecord) -> None:
        for name in COUNTS:
            if (count := record.find_number(name)) is None:
                continue  # stops of earlier versions have none
            # At the beginning of a log, the time of these frames is unknown.
            grown = count - self._last_counts.get(name, count)
            self._last_counts[name] = count
            if self._holds(record.at):
                self._counts[name] += round(grown if grown >= 0 else count)

    def _add_restored(self, at: float, lost_s: float | None) -> None:
        if lost_s is None:
            lost_s = at - (at if self._lost_since is None else self._lost_since)
        self._lost_s += self._clip_seconds(at - lost_s, at)
        self._lost_since = None

    def _end_run(self, at: float) -> None:
        """End the watch, and with it all labels and a loss of the camera."""
        for region, (label, since) in self._present.items():
            self._add_stay(region, label, since, at)
        self._present = {}
        if self._lost_since is not None:
            self._add_restored(at, None)

    def _add_stay(self, region: str, label: str, begin: float, end: float) -> None:
        if label and (lasted_s := self._clip_seconds(begin, end)):
            self._lasted_s[region, label] += lasted_s

    def _add_watched(self, begin: float, end: float) -> None:
        if self._clip_seconds(begin, end):
            self._watched.append((max(begin, self._begin), min(end, self._end)))

    def _build_totals(self) -> tuple[LabelTotal, ...]:
        longest = sorted({*self._lasted_s, *self._times}, key=lambda it: -self._lasted_s[it])
        return tuple(
            LabelTotal(*it, self._times[it], round(self._lasted_s[it], 3)) for it in longest
        )

    def _holds(self, at: float) -> bool:
        return self._begin <= at < self._end

    def _clip_seconds(self, begin: float, end: float) -> float:
        """The seconds of a span that lie within the day."""
        return max(0.0, min(end, self._end) - max(begin, self._begin))


def _find_gaps(watched: list[Span], begin: float, end: float) -> Iterator[Span]:
    """Yield the gaps between spans, which may overlap, from `begin` to `end`."""
    for start, stop in [*sorted(watched), (end, end)]:
        if start > begin:
            yield begin, start
        begin = max(begin, stop)


def _add_seconds(spans: Iterable[Span]) -> float:
    return sum(end - begin for begin, end in spans)


def to_dict(summary: Summary) -> dict[str, object]:
    """The summary as data for JSON; times in UTC, as in the log."""
    return asdict(summary) | {
        "day": summary.day.isoformat(),
        "first": summary.first and format_timestamp(summary.first),
        "last": summary.last and format_timestamp(summary.last),
        "gaps": [
            {"from": format_timestamp(begin), "to": format_timestamp(end)}
            for begin, end in summary.gaps
        ],
    }


def render_summary(summary: Summary) -> str:
    """Render the summary for a person."""
    if summary.first is None or summary.last is None:
        return f"{summary.day}: nothing was logged"
    lost = f"{_format_count(summary.lost)}, {format_duration(summary.lost_s)}"
    heads = {
        f"{summary.day:%Y-%m-%d}": _format_span((summary.first, summary.last)),
        "watched": format_duration(summary.watched_s),
        "not watched": _format_gaps(summary.gaps),
        "frames": f"{summary.frames:,}, {summary.dropped:,} dropped",
        "camera lost": lost if summary.lost else "never",
    }
    lines = [f"{name:<12}  {value}" for name, value in heads.items()]
    lines += ["", f"{'label':<24}  times  duration"]
    for total in summary.stays:
        name = escape_unprintable(format_label(total.region, total.label))
        lines.append(f"{name:<24}  {total.times:>5}  {format_duration(total.lasted_s)}")
    return "\n".join(lines)


def _format_gaps(gaps: tuple[Span, ...]) -> str:
    if not gaps:
        return "never"
    longest = max(gaps, key=lambda gap: gap[1] - gap[0])
    total = format_duration(_add_seconds(gaps))
    return f"{total}, {_format_count(len(gaps))}, the longest from {_format_span(longest)}"


def _format_count(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _format_span(span: Span) -> str:
    begin, end = (format_local_time(at, "%H:%M:%S") for at in span)
    return f"{begin} to {end}"

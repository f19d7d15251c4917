"""What a log tells of one day."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from vedette_edge.console import escape_unprintable
from vedette_edge.log.formatting import duration, format_label, local
from vedette_edge.log.reader import LoggedRecord
from vedette_edge.log.records import format_timestamp

# Records that lie closer together, without a start in between, come from a watch that went on.
LONGEST_SILENCE_S = 900.0
SET_S = 5.0  # by which a clock is off at least to count as set: `up_s` may be rounded
COUNTS = ("frames", "overtaken")  # in heartbeats, since the start of the watch

Span = tuple[float, float]  # from, to: seconds since the epoch


@dataclass(frozen=True, slots=True)
class Stay:
    """A label in one region over the day."""

    region: str
    label: str
    times: int  # it took over
    lasted_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A day, from midnight to midnight of the local clock, or as far as it has come."""

    day: date
    first: float | None  # record, seconds since the epoch
    last: float | None
    stays: tuple[Stay, ...]  # the longest first
    watched_s: float
    gaps: tuple[Span, ...]  # in which nothing watched
    frames: int
    overtaken: int
    lost: int  # times that the camera was
    lost_s: float


def summarize(records: Iterable[LoggedRecord], day: date, now: float) -> Summary:
    """Take a day out of a whole log: what began before it and ended after it counts as well."""
    begin, end = (
        datetime.combine(midnight, datetime.min.time()).timestamp()
        for midnight in (day, day + timedelta(days=1))
    )
    tally = _Tally(begin, max(begin, min(end, now)))
    for record in records:
        tally.take(record)
    return tally.summary(day)


class _Tally:
    """A day while it is added up."""

    def __init__(self, begin: float, end: float) -> None:
        self._begin, self._end = begin, end
        self._seen: list[float] = []  # first and last record of the day
        self._before: float | None = None  # the record before
        self._present: dict[str, tuple[str, float]] = {}  # region: label and since when
        self._times: Counter[tuple[str, str]] = Counter()
        self._lasted_s: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._watched: list[Span] = []
        self._up: tuple[float, float] | None = None  # last `up_s`, and the start that it means
        self._counted: dict[str, float] = {}  # since the start of the watch
        self._counts: Counter[str] = Counter()
        self._lost = 0
        self._lost_since: float | None = None
        self._lost_s = 0.0

    def take(self, record: LoggedRecord) -> None:
        before = record.at if self._before is None else self._before
        if record.event == "start":
            self._end_run(before)
            self._counted = dict.fromkeys(COUNTS, 0)
            self._up = 0.0, record.at
        elif 0 < record.at - before <= LONGEST_SILENCE_S:
            self._watch(before, record.at)
        if (up_s := record.number("up_s")) is not None:
            self._follow_clock(record.at, up_s)
            self._watch(record.at - up_s, record.at)
        self._take_event(record)
        if self._holds(record.at):
            self._seen = [min([*self._seen, record.at]), max([*self._seen, record.at])]
        self._before = record.at

    def summary(self, day: date) -> Summary:
        if self._before is not None:
            self._end_run(self._before)
        first, last = self._seen or (None, None)
        watched = _union(self._watched)
        return Summary(
            day=day,
            first=first,
            last=last,
            stays=self._stays(),
            watched_s=round(sum(end - begin for begin, end in watched), 3),
            gaps=tuple(_between(watched, self._begin, self._end)),
            frames=self._counts["frames"],
            overtaken=self._counts["overtaken"],
            lost=self._lost,
            lost_s=round(self._lost_s, 3),
        )

    def _follow_clock(self, at: float, up_s: float) -> None:
        """Where the clock was set since the last `up_s`, move what began before it with it.

        A Pi has no clock of its own while it is off: it starts with an old time.
        """
        last_s, began = self._up or (up_s, at - up_s)
        set_s = at - up_s - began
        if abs(set_s) < SET_S:
            self._up = up_s, began
            return
        self._up = up_s, at - up_s

        def moved(since: float) -> float:
            return since if 0 <= at - since <= up_s - last_s else since + set_s

        self._present = {
            name: (label, moved(since)) for name, (label, since) in self._present.items()
        }
        if self._lost_since is not None:
            self._lost_since = moved(self._lost_since)

    def _take_event(self, record: LoggedRecord) -> None:
        if record.event == "change":
            self._change(record)
        elif record.event == "heartbeat":
            self._heartbeat(record)
        elif record.event == "lost":
            self._lost += self._holds(record.at)
            self._lost_since = record.at
        elif record.event == "back":
            self._back(record.at, record.number("lost_s"))
        elif record.event == "stop":
            self._end_run(record.at)

    def _change(self, record: LoggedRecord) -> None:
        """A label took over; how long the previous one stood is told by a clock nobody sets."""
        region, lasted_s = record.name("region"), record.number("lasted_s") or 0.0
        self._stay(region, record.name("previous"), record.at - lasted_s, record.at)
        self._present[region] = record.name("label"), record.at
        if self._holds(record.at):
            self._times[region, record.name("label")] += 1

    def _heartbeat(self, record: LoggedRecord) -> None:
        for name in COUNTS:
            count = record.number(name) or 0.0
            # At the beginning of a log nothing tells when these frames were seen.
            grown = count - self._counted.get(name, count)
            self._counted[name] = count
            if self._holds(record.at):
                self._counts[name] += round(grown if grown >= 0 else count)

    def _back(self, at: float, lost_s: float | None) -> None:
        if lost_s is None:
            lost_s = at - (at if self._lost_since is None else self._lost_since)
        self._lost_s += self._within(at - lost_s, at)
        self._lost_since = None

    def _end_run(self, at: float) -> None:
        """The watch ended: so did what it saw, and what it missed."""
        for region, (label, since) in self._present.items():
            self._stay(region, label, since, at)
        self._present = {}
        if self._lost_since is not None:
            self._back(at, None)

    def _stay(self, region: str, label: str, begin: float, end: float) -> None:
        if label and (lasted_s := self._within(begin, end)):
            self._lasted_s[region, label] += lasted_s

    def _watch(self, begin: float, end: float) -> None:
        if self._within(begin, end):
            self._watched.append((max(begin, self._begin), min(end, self._end)))

    def _stays(self) -> tuple[Stay, ...]:
        longest = sorted({*self._lasted_s, *self._times}, key=lambda it: -self._lasted_s[it])
        return tuple(Stay(*it, self._times[it], round(self._lasted_s[it], 3)) for it in longest)

    def _holds(self, at: float) -> bool:
        return self._begin <= at < self._end

    def _within(self, begin: float, end: float) -> float:
        """Seconds of a span that lie in the day."""
        return max(0.0, min(end, self._end) - max(begin, self._begin))


def _union(spans: list[Span]) -> list[Span]:
    """The same time in spans that do not touch, in order."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def _between(watched: list[Span], begin: float, end: float) -> Iterator[Span]:
    """What lies between spans that are in order, from `begin` to `end`."""
    for start, stop in [*watched, (end, end)]:
        if start > begin:
            yield begin, start
        begin = stop


def as_object(summary: Summary) -> dict[str, object]:
    """The summary for a machine; moments in UTC, as in the log."""
    return asdict(summary) | {
        "day": summary.day.isoformat(),
        "first": summary.first and format_timestamp(summary.first),
        "last": summary.last and format_timestamp(summary.last),
        "gaps": [
            {"from": format_timestamp(begin), "to": format_timestamp(end)}
            for begin, end in summary.gaps
        ],
    }


def as_text(summary: Summary) -> str:
    """The summary for a person."""
    if summary.first is None or summary.last is None:
        return f"{summary.day}: nothing was logged"
    lost = f"{_times(summary.lost)}, {duration(summary.lost_s)}" if summary.lost else "never"
    heads = {
        f"{summary.day:%Y-%m-%d}": f"{_clock(summary.first)} to {_clock(summary.last)}",
        "watched": duration(summary.watched_s),
        "not watched": _gaps(summary.gaps),
        "frames": f"{summary.frames:,}, {summary.overtaken:,} overtaken",
        "camera lost": lost,
    }
    lines = [f"{name:<12}  {value}" for name, value in heads.items()]
    return "\n".join([*lines, "", f"{'label':<24}  times  how long", *map(_stay, summary.stays)])


def _gaps(gaps: tuple[Span, ...]) -> str:
    if not gaps:
        return "never"
    begin, end = max(gaps, key=lambda gap: gap[1] - gap[0])
    total = duration(sum(end - begin for begin, end in gaps))
    return f"{total}, {_times(len(gaps))}, the longest from {_clock(begin)} to {_clock(end)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _clock(at: float) -> str:
    return local(at, "%H:%M:%S")


def _stay(stay: Stay) -> str:
    name = escape_unprintable(format_label(stay.region, stay.label))
    return f"{name:<24}  {stay.times:>5}  {duration(stay.lasted_s)}"

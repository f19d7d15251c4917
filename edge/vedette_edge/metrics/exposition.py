"""The figures of a watch in Prometheus' text format, by prometheus-client.

The only module of the edge that imports it, the extra `vedette-edge[metrics]`; without it,
importing this raises SettingError. docs/metrics.md lists every name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from vedette_edge.errors import SettingError
from vedette_edge.host.raspberry_pi import BITS

try:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError as error:
    raise SettingError(
        "metrics need the package prometheus-client: pip install 'vedette-edge[metrics]'"
    ) from error

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FATES = ("sent", "written", "dropped", "failed")  # of what an output was to deliver
LOG_FATES = ("written", "dropped", "left_out")

Snapshot = Mapping[str, Any]  # of MetricsRecorder.snapshot, or the same from JSON
Samples = Iterable[tuple[Sequence[str], float]]  # values of labels, and the value


def generate_metrics(snapshot: Snapshot) -> bytes:
    """Generate the text that Prometheus scrapes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_SnapshotCollector(snapshot))
    return generate_latest(registry)


class _SnapshotCollector(Collector):
    """Hands a snapshot to a registry."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield each metric that has samples."""
        for collect in COLLECTORS:
            yield from (metric for metric in collect(self._snapshot) if metric.samples)


def _collect_watch(snapshot: Snapshot) -> Iterator[Metric]:
    build, camera = snapshot["build"], snapshot["camera"]
    info = [(list(build.values()), 1.0)]
    yield _gauge("build_info", "Versions of Vedette, its interpreter and its model.", build, info)
    yield _one("start_time_seconds", "When the watch began, in Unix time.", snapshot["started_at"])
    yield _one("camera_up", "1 while the camera delivers frames.", camera["up"])
    yield _count("camera_losses", "Times that the camera was lost.", camera["losses"])
    if (last_at := snapshot["last_frame_at"]) is not None:
        text = "When the camera last delivered a frame, in Unix time."
        yield _one("last_frame_timestamp_seconds", text, last_at)
    yield _one("paused", "1 while the watch is paused, and classifies nothing.", snapshot["paused"])


def _collect_frames(snapshot: Snapshot) -> Iterator[Metric]:
    frames = [([outcome], count) for outcome, count in snapshot["frames"].items()]
    yield _counter("frames", "Frames of the camera, by what became of them.", ["outcome"], frames)
    text = "Regions of classified frames whose scores were not finite numbers."
    yield _count("unclassified_regions", text, snapshot["unclassified_regions"])
    text = "Time that a frame took in each stage, all its regions together."
    stages = HistogramMetricFamily("vedette_stage_seconds", text, labels=["stage"])
    for stage, one in snapshot["stages"].items():
        _add_histogram(stages, [stage], one)
    yield stages
    text = "Age of a frame when its label was written."
    age = HistogramMetricFamily("vedette_frame_age_seconds", text, labels=[])
    _add_histogram(age, [], snapshot["age"])
    yield age


def _collect_labels(snapshot: Snapshot) -> Iterator[Metric]:
    """Collect the labels that have stood; an ImageNet model has a thousand others."""
    names = ["region", "label"]
    regions, changes = snapshot["regions"], snapshot["changes"]
    stands = {(one["region"], one["label"]) for one in regions}
    pairs = [(one["region"], one["label"]) for one in changes]
    labels = [(pair, float(pair in stands)) for pair in pairs]
    yield _gauge(
        "label", "1 for the label that stands, 0 for those that stood before.", names, labels
    )
    known = [one for one in regions if one["score"] is not None]
    scores = [([one["region"]], one["score"]) for one in known]
    text = "Smoothed score of the label that stands, 0 to 1."
    yield _gauge("score_ratio", text, ["region"], scores)
    counts = [(pair, one["count"]) for pair, one in zip(pairs, changes, strict=True)]
    yield _counter("changes", "Times that a label took over.", names, counts)


def _collect_outputs(snapshot: Snapshot) -> Iterator[Metric]:
    outputs, log = snapshot["outputs"], snapshot["log"]
    if log:
        text = "Records for the log, by what became of them."
        records = [([fate], log[fate]) for fate in LOG_FATES]
        yield _counter("log_records", text, ["fate"], records)
    text = "What outputs were to deliver, by what became of it."
    messages = [
        ([name, fate], counters[fate])
        for name, counters in outputs.items()
        for fate in FATES
        if fate in counters
    ]
    yield _counter("sink_messages", text, ["sink", "fate"], messages)
    up = [
        ([name], one[key])
        for name, one in outputs.items()
        for key in ("connected", "up")
        if key in one
    ]
    log_up = [(["log"], log["failing_since"] is None)] if log else []
    text = "1 while an output works: the broker is connected, or the file can be written."
    yield _gauge("sink_up", text, ["sink"], [*log_up, *up])
    refused = [one["refused"] for one in outputs.values() if "refused" in one]
    if refused:
        text = "Commands of a broker that were not valid, or too many."
        yield _count("commands_refused", text, sum(refused))


def _collect_health(snapshot: Snapshot) -> Iterator[Metric]:
    health = snapshot["health"]
    if (temperature_c := health["temperature_c"]) is not None:
        yield _one("temperature_celsius", "Temperature of the processor.", temperature_c)
    now, since = set(health["now"]), {*health["now"], *health["before"]}
    text = "1 while a Raspberry Pi's firmware reports the reason."
    yield _gauge("throttled", text, ["reason"], _flag_reasons(now))
    text = "1 if a Raspberry Pi's firmware has reported the reason since it booted."
    yield _gauge("throttled_since_boot", text, ["reason"], _flag_reasons(since))


COLLECTORS = (_collect_watch, _collect_frames, _collect_labels, _collect_outputs, _collect_health)


def _flag_reasons(active: set[str]) -> Samples:
    for name in BITS:
        yield [name.replace("-", "_").replace(" ", "_")], name in active


def _one(name: str, text: str, value: float) -> Metric:
    return _gauge(name, text, [], [([], value)])


def _count(name: str, text: str, value: float) -> Metric:
    return _counter(name, text, [], [([], value)])


def _gauge(name: str, text: str, labels: Iterable[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"vedette_{name}", text, labels=list(labels))
    for values, value in samples:
        family.add_metric(_clean(values), value)
    return family


def _counter(name: str, text: str, labels: Iterable[str], samples: Samples) -> Metric:
    family = CounterMetricFamily(f"vedette_{name}", text, labels=list(labels))
    for values, value in samples:
        family.add_metric(_clean(values), value)
    return family


def _clean(values: Sequence[str]) -> list[str]:
    """Escape bytes that are not UTF-8, which the name of a file may have."""
    return [value.encode("utf-8", "backslashreplace").decode() for value in values]


def _add_histogram(family: HistogramMetricFamily, labels: list[str], one: Snapshot) -> None:
    """Add a histogram; Prometheus counts the values up to each edge."""
    edges = [*map(str, map(float, one["edges"])), "+Inf"]
    buckets = zip(edges, accumulate(one["counts"]), strict=True)
    family.add_metric(labels, list(buckets), one["sum"])

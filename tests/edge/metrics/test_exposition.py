"""The figures as Prometheus reads them: names that follow its rules, and few of them."""

import json
import sys
import time

import pytest
from tests.edge.metrics.snapshots import check_with_promtool, create_snapshot, read_samples

from vedette_edge.errors import SettingError
from vedette_edge.metrics.exposition import generate_metrics

FIFTY = tuple(f"class number {number}" for number in range(50))
LARGEST_SCRAPE = 20_000  # bytes, at fifty labels


def test_each_figure_has_its_name() -> None:
    samples = read_samples(generate_metrics(create_snapshot(("hen", "fox"))))
    assert samples.pop(
        'vedette_build_info{interpreter="i 2",model="m.tflite",model_sha256="ab",version="1"}'
    )
    assert {name: samples[name] for name in samples if "_seconds_" not in name} == {
        "vedette_start_time_seconds": 1.8e9,
        "vedette_camera_up": 1,
        "vedette_camera_losses_total": 1,
        "vedette_last_frame_timestamp_seconds": 1.8e9 + 5,
        "vedette_paused": 0,
        'vedette_frames_total{outcome="classified"}': 4,
        'vedette_frames_total{outcome="dropped"}': 2,
        'vedette_frames_total{outcome="skipped"}': 0,
        "vedette_unclassified_regions_total": 0,
        'vedette_label{label="hen",region=""}': 0,
        'vedette_label{label="fox",region=""}': 1,
        'vedette_score_ratio{region=""}': 0.75,
        'vedette_changes_total{label="hen",region=""}': 3,
        'vedette_changes_total{label="fox",region=""}': 3,
        'vedette_log_records_total{fate="written"}': 9,
        'vedette_log_records_total{fate="dropped"}': 0,
        'vedette_log_records_total{fate="left_out"}': 1,
        'vedette_sink_messages_total{fate="sent",sink="mqtt"}': 5,
        'vedette_sink_messages_total{fate="dropped",sink="mqtt"}': 1,
        'vedette_sink_messages_total{fate="sent",sink="webhooks"}': 3,
        'vedette_sink_messages_total{fate="failed",sink="webhooks"}': 1,
        'vedette_sink_messages_total{fate="dropped",sink="webhooks"}': 0,
        'vedette_sink_messages_total{fate="dropped",sink="watch"}': 0,
        'vedette_sink_up{sink="log"}': 1,
        'vedette_sink_up{sink="mqtt"}': 0,
        "vedette_commands_refused_total": 3,
        "vedette_temperature_celsius": 61.5,
        'vedette_throttled{reason="under_voltage"}': 0,
        'vedette_throttled{reason="frequency_capped"}': 0,
        'vedette_throttled{reason="throttled"}': 1,
        'vedette_throttled{reason="too_hot"}': 0,
        'vedette_throttled_since_boot{reason="under_voltage"}': 1,
        'vedette_throttled_since_boot{reason="frequency_capped"}': 0,
        'vedette_throttled_since_boot{reason="throttled"}': 1,
        'vedette_throttled_since_boot{reason="too_hot"}': 0,
    }


def test_a_histogram_counts_all_values_up_to_each_edge() -> None:
    samples = read_samples(generate_metrics(create_snapshot()))
    assert {name: value for name, value in samples.items() if "frame_age" in name} == {
        'vedette_frame_age_seconds_bucket{le="0.01"}': 2,
        'vedette_frame_age_seconds_bucket{le="0.1"}': 3,
        'vedette_frame_age_seconds_bucket{le="+Inf"}': 4,
        "vedette_frame_age_seconds_count": 4,
        "vedette_frame_age_seconds_sum": 1.25,
    }
    assert samples['vedette_stage_seconds_bucket{le="0.1",stage="log"}'] == 3


@pytest.mark.parametrize("labels", [("fox",), FIFTY])
def test_promtool_has_nothing_to_say(labels: tuple[str, ...]) -> None:
    check_with_promtool(generate_metrics(create_snapshot(labels)))


def test_figures_that_are_not_there_have_no_name() -> None:
    health = {"temperature_c": None, "now": (), "before": ()}
    nothing = create_snapshot() | {"regions": [], "changes": [], "outputs": {}, "health": health}
    text = generate_metrics(nothing | {"log": None, "last_frame_at": None})
    for name in "last_frame label score changes log_records sink temperature commands".split():
        assert f"vedette_{name}" not in text.decode()
    check_with_promtool(text)


def test_a_label_without_a_score_has_none() -> None:
    regions = [{"region": "door", "label": "unknown", "score": None}]
    changes = [{"region": "door", "label": "unknown", "count": 1}]
    samples = read_samples(generate_metrics(create_snapshot(regions=regions, changes=changes)))
    assert samples['vedette_label{label="unknown",region="door"}'] == 1
    assert not any(name.startswith("vedette_score_ratio") for name in samples)


def test_the_text_is_the_same_after_a_way_as_json() -> None:
    snapshot = create_snapshot(FIFTY)
    assert generate_metrics(json.loads(json.dumps(snapshot))) == generate_metrics(snapshot)


@pytest.mark.parametrize("name", ['a "fox"', "one\ntwo", "back\\slash", "Füchsin", "{a=1}", ""])
def test_any_text_can_be_a_label(name: str) -> None:
    changes = [{"region": name, "label": name, "count": 1}]
    text = generate_metrics(create_snapshot(changes=changes))
    assert f'vedette_changes_total{{label="{name}",region="{name}"}}' in read_samples(text)
    check_with_promtool(text)


def test_a_name_that_is_no_unicode_is_escaped() -> None:
    build = dict.fromkeys(("version", "interpreter", "model", "model_sha256"), "a\udcff.tflite")
    text = generate_metrics(create_snapshot(build=build))
    assert rb'model="a\\udcff.tflite"' in text
    check_with_promtool(text)


def test_a_scrape_of_fifty_labels_is_small_and_quick() -> None:
    stages = {name: _spread(0.001) for name in "abcdef"}
    snapshot = create_snapshot(FIFTY, stages=stages, age=_spread(0.01))
    begun_s, times = time.process_time(), 20
    for _ in range(times):
        text = generate_metrics(snapshot)
    assert len(text) <= LARGEST_SCRAPE
    assert (time.process_time() - begun_s) / times < 0.1  # seconds; 0.002 on a workstation


def _spread(least: float) -> dict[str, object]:
    edges = [least * factor for factor in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)]
    return {"edges": edges, "counts": [123_456] * 11, "sum": 1 / 3}


def test_a_missing_client_is_one_line_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "vedette_edge.metrics.exposition")
    with pytest.raises(SettingError, match=r"pip install 'vedette-edge\[metrics\]'"):
        __import__("vedette_edge.metrics.exposition")

"""Records as a person reads them, a line each."""

import pytest
from rich.cells import cell_len
from tests.edge.log_morning import AT, format_change, format_line

from vedette_edge.log.formatting import RecordFormatter, format_duration, format_position
from vedette_edge.log.reader import Damage, parse_line


@pytest.mark.parametrize(("label", "shown"), [("unknown", "unknown (fox)  "), ("fox", "fox  ")])
def test_a_frame_shows_its_best_label_too_if_it_is_another(label: str, shown: str) -> None:
    line = format_line(AT, "frame", label=label, best="fox", score=0.4)
    (record,) = parse_line(line.encode(), Damage())
    assert f"frame      {shown}" in RecordFormatter().format(record)


def format_frames(formatter: RecordFormatter, *labels: str) -> list[str]:
    """Format a frame of each label, without the time."""
    lines = (format_line(AT, "frame", label=one, score=1, source="a.jpg") for one in labels)
    records = (record for line in lines for record in parse_line(line.encode(), Damage()))
    return [formatter.format(record)[21:] for record in records]


def test_columns_are_as_wide_as_the_labels_that_are_known_to_come() -> None:
    lines = format_frames(RecordFormatter(["cup", "coffee mug"]), "cup", "coffee mug")
    assert lines == [
        "frame      cup         100%  a.jpg",
        "frame      coffee mug  100%  a.jpg",
    ]


def test_a_label_widens_its_column_if_it_is_not_too_long() -> None:
    known = format_frames(RecordFormatter(["coffee mug"]), "cup")
    assert format_frames(RecordFormatter(), "coffee mug", "cup")[1:] == known
    narrow = format_frames(RecordFormatter(), "cup")
    (long, after) = format_frames(RecordFormatter(), "l" * 200, "cup")
    assert f"{'l' * 200}  100%  a.jpg" in long
    assert len(narrow[0]) < len(after) < 80 - len("2026-11-26 13:28:07  ")


def test_columns_are_those_of_the_terminal_in_any_script() -> None:
    lines = format_frames(RecordFormatter(["消防车和警车", "fox"]), "消防车和警车", "fox")
    assert [cell_len(line) for line in lines] == [len("frame      123456789012  100%  a.jpg")] * 2


def test_orders_to_the_terminal_in_a_label_are_shown_not_given() -> None:
    (record,) = parse_line(format_change(AT, "\x1b[2Jfox").encode(), Damage())
    assert "\\x1b[2Jfox" in RecordFormatter().format(record)


def test_an_event_of_a_later_version_is_shown_with_all_its_fields() -> None:
    (record,) = parse_line(format_line(AT, "eclipse", of="moon", hours=2).encode(), Damage())
    assert RecordFormatter().format(record).endswith('eclipse    of="moon" hours=2')


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3570, "1 h 0 min"), (200_000, "2 d 7 h")],
)
def test_durations_have_two_units_at_most(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


def test_a_lost_camera_is_named_once() -> None:
    lost = format_line(AT, "camera_lost", camera="/dev/video0", reason="/dev/video0: not found")
    (record,) = parse_line(lost.encode(), Damage())
    assert RecordFormatter().format(record).endswith("camera_lost  /dev/video0: not found")


def test_a_heartbeat_without_a_camera_tells_how_long_it_has_been_lost() -> None:
    beat = format_line(AT, "heartbeat", up_s=600, lost_s=540.2, frames=7)
    (record,) = parse_line(beat.encode(), Damage())
    assert RecordFormatter().format(record).endswith("up 10 min, camera lost for 9 min, 7 frames")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.00"), (59.996, "1:00.00"), (61.5, "1:01.50"), (3723.456, "1:02:03.46")],
)
def test_a_position_in_a_video_has_minutes_and_hours_like_a_player(
    seconds: float, text: str
) -> None:
    assert format_position(seconds) == text

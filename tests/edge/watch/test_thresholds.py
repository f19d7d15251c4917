"""The thresholds that are kept from one watch to the next."""

import json
from pathlib import Path

import pytest

from vedette_edge.errors import SettingError
from vedette_edge.watch.thresholds import load_overrides


def test_values_are_loaded_and_without_a_file_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    assert load_overrides(path) == {}
    for values in ({"enter": 0.7, "leave": 0.2}, {"leave": 1.0}, {}):
        path.write_text(json.dumps(values), "utf-8")
        assert load_overrides(path) == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"enter": "0.5"}',
        '{"enter": true}',
        '{"enter": NaN}',
        '{"enter": 1e999}',
        '{"enter": ' + "9" * 3000 + "}",
        '{"enter": 0.04}',
        '{"leave": -0.1}',
        '{"leave": null}',
        '{"paused": true}',
        "[" * 4000,
        " " * 5000,
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(SettingError, match=r"settings\.json: ") as error:
        load_overrides(path)
    assert len(str(error.value)) < 400

"""The configuration file: its values, and its mistakes."""

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.edge.conftest import WriteConfig

from vedette_edge.cli.config_file import load_settings
from vedette_edge.cli.run import run
from vedette_edge.errors import SettingError
from vedette_edge.policy.rule import parse_rules


def vedette_run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(run, [str(one) for one in arguments])


def test_a_watch_takes_its_settings_from_a_file_and_flags_override_it(
    write_config: WriteConfig, model: Path, photos: Path, tmp_path: Path
) -> None:
    config = write_config(f'model = "{model}"\ncamera = "gone"\njson = true\nthreads = 1\n')
    result = vedette_run("--config", config, "--camera", photos)
    assert result.exit_code == 0, result.stderr
    labels = [json.loads(line)["label"] for line in result.stdout.splitlines()]
    assert labels == ["red", "green", "blue"]
    assert "'gone'" in vedette_run("--config", config).stderr


def test_all_mistakes_are_named_at_once_with_the_nearest_known_key(
    write_config: WriteConfig,
) -> None:
    text = 'camra = "x"\nfps = -1\nthreads = "many"\nleave = 0.2\nzzz = 1\n'
    config = write_config(text + 'crop = "1,2"\nregion = "door"\n')
    with pytest.raises(SettingError) as error:
        load_settings(config, run)
    lines = str(error.value).splitlines()
    assert len(lines) == 6
    assert re.search("'camra'.*'camera'", lines[0])
    assert "'zzz'" in lines[1]
    assert "fps: -1" in lines[2]
    assert "threads: 'many'" in lines[3]
    assert "crop '1,2'" in lines[4]
    assert "region 'door'" in lines[5]
    result = vedette_run("--config", config)
    assert result.exit_code == 1
    assert result.stderr.count("config.toml: ") == 6


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("model = 3", ""),
        ("camera = 5", ""),
        ("rotate = 90", ""),
        ("fps = 2", ""),
        ('region = "door=0,0,9,9"', ""),
        ("region = []", ""),
        ("json = false", ""),
        ("\N{ZERO WIDTH NO-BREAK SPACE}fps = 2", ""),
        ("json = 1", "json is 1: expected true or false"),
        ("model = true", "model is True: expected a text or a number"),
        ('camera = ["rtsp://me:hunter2@h/x"]', "camera: expected a text or a number"),
        ('camera = ""', "camera: expected a text or a number"),
        ('log = "a\\u0000"', "expected a text or a number"),
        ('camera = ["a", "b"]', "expected a text or a number"),
        ("crop = { left = 1 }", "expected a text or a number"),
        ("fps = 2026-01-31", "expected a text or a number"),
        ("region = 7", "region '7'"),
        ("region = true", "expected a text or a number, or a list of these"),
        ('fps = "a"', "fps: 'a' is not a valid number"),
        ("threads = 1.5", "'1.5' is not a valid integer"),
        ('region = ["a=0,0,9,9", "a=1,1,9,9"]', "'a'"),
        ("fps = nan", "fps: nan is not a finite number"),
        ("smoothing = inf", "smoothing: inf is not a finite number"),
    ],
)
def test_values_of_any_type_are_converted_as_on_a_command_line_or_refused(
    write_config: WriteConfig, line: str, expected: str
) -> None:
    config = write_config(line)
    if not expected:
        assert len(load_settings(config, run)) == 1
        return
    with pytest.raises(SettingError, match=re.escape(f"{config}: ")) as error:
        load_settings(config, run)
    assert expected in str(error.value)


def test_enter_below_leave_is_refused(write_config: WriteConfig, model: Path) -> None:
    camera = ("--camera", "gone.mp4")
    for flags in (("--enter", "0.2", "--leave", "0.9"), ("--enter", "0.2"), ("--leave", "0.6")):
        result = vedette_run(model, *camera, *flags)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "is below leave" in result.stderr
        assert "lower leave or raise enter" in result.stderr
    config = write_config("enter = 0.2\n")
    assert "enter 0.2 is below leave 0.35" in vedette_run(model, *camera, "--config", config).stderr
    assert vedette_run("gone", *camera, "--config", config, "--leave", "0.2").exit_code == 1


def test_a_file_that_is_missing_or_not_valid_toml_is_named(
    write_config: WriteConfig, tmp_path: Path
) -> None:
    for text in (
        "camera = ",
        "crop = " + "[" * 9999,
        "threads = " + "9" * 9999,
        f"threads = 0x{9999 * 'f'}",
    ):
        assert "not valid TOML" in vedette_run("--config", write_config(text)).stderr
    assert "gone.toml: No such file" in vedette_run("--config", tmp_path / "gone.toml").stderr
    os.mkfifo(tmp_path / "pipe.toml")
    assert (
        "pipe.toml: not a file, but a pipe"
        in vedette_run("--config", tmp_path / "pipe.toml").stderr
    )


def test_the_example_is_a_configuration_and_so_is_what_it_only_suggests(
    write_config: WriteConfig,
) -> None:
    example = Path(__file__).parents[3] / "edge" / "config.example.toml"
    assert load_settings(example, run)["heartbeat"] == "60.0"
    suggested = r"^# (?=[\w-]+ = |\[\[)"
    text = re.sub(suggested, "", example.read_text("utf-8"), flags=re.MULTILINE)
    settings = load_settings(write_config(text), run)
    assert settings["regions"] == ["door=200,80,240,360", "nest=0,0,160,120"]
    assert settings["motion"] == "0.01"
    assert settings["mqtt_password_file"] == "/etc/vedette/mqtt-password"
    assert parse_rules(settings["rules"])[0].labels == ("fox",)


def test_a_key_may_be_written_with_underscores_but_not_twice(write_config: WriteConfig) -> None:
    settings = load_settings(write_config('log_day = 2\nmqtt_id = "door-pi"\n'), run)
    assert (settings["day_mb"], settings["mqtt_id"]) == ("2", "door-pi")
    with pytest.raises(SettingError, match="once with - and once with _; remove one"):
        load_settings(write_config("log_day = 2\nlog-day = 3\n"), run)


def test_rules_are_tables_and_none_of_them_is_ever_shown(write_config: WriteConfig) -> None:
    settings = load_settings(write_config('[[on]]\nlabel = "red"\n[[on]]\n'), run)
    assert settings["rules"] == [{"label": "red"}, {}]
    text = '[[on]]\nwebhook = "http://me:secret@host/"\nlabel = 5\n'
    with pytest.raises(SettingError) as error:
        load_settings(write_config(text), run)
    assert "[[on]] 1: label is 5: expected a label" in str(error.value)
    assert "secret" not in str(error.value)
    assert "begin each with a line [[on]]" in vedette_run("m.tflite", "--on", "label=red").stderr


@pytest.mark.parametrize("mask", ["1,2", "0,0,0,5", "a,b,c,d"])
def test_a_mask_that_is_not_valid_is_an_error(write_config: WriteConfig, mask: str) -> None:
    with pytest.raises(SettingError, match=f"mask '{mask}' is not valid"):
        load_settings(write_config(f'mask = ["0,0,5,5", "{mask}"]\n'), run)

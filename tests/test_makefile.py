"""The Makefile answers mistakes with one line that helps."""

import shlex
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a model and a `vedette` that prints its arguments, one a line."""
    vedette = tmp_path / ".venv" / "bin" / "vedette"
    vedette.parent.mkdir(parents=True)
    vedette.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n", encoding="utf-8")
    vedette.chmod(0o755)
    (vedette.parents[1] / ".ready").touch()
    (tmp_path / "m.tflite").touch()
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (
        "make",
        "--no-print-directory",
        "-f",
        str(MAKEFILE),
        "-o",
        ".venv/.ready",
        *arguments,
    )
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", ["run", "predict"])
def test_a_model_that_is_not_there_is_converted_first(checkout: Path, target: str) -> None:
    done = make(checkout, target, "IMAGES=a.jpg")
    assert done.returncode == 2
    first, *_ = done.stderr.splitlines()
    assert first == "runs/last/model.tflite: no model there; first: make convert"


@pytest.mark.parametrize("images", ["it's.jpg", 'a".jpg', "photo (1).jpg"])
def test_a_name_that_the_shell_does_not_take_is_explained(checkout: Path, images: str) -> None:
    done = make(checkout, "predict", "MODEL=m.tflite", f"IMAGES={images}")
    assert done.returncode == 2
    first, *_ = done.stderr.splitlines()
    assert first.startswith("IMAGES: ")
    assert "Syntax error" not in done.stderr


@pytest.mark.parametrize("images", [["it's.jpg"], ["photo (1).jpg", "b.jpg"]])
def test_names_in_further_quotes_are_classified(checkout: Path, images: list[str]) -> None:
    done = make(checkout, "predict", "MODEL=m.tflite", f"IMAGES={shlex.join(images)}")
    assert done.stdout.splitlines()[-len(images) :] == images


@pytest.mark.parametrize("name", ["my photo.jpg", "photo (1).jpg", "it's.jpg"])
def test_one_name_needs_no_further_quotes_if_it_is_there(checkout: Path, name: str) -> None:
    (checkout / name).touch()
    done = make(checkout, "predict", "MODEL=m.tflite", f"IMAGES={name}")
    assert done.stdout.splitlines()[-1:] == [name]


def test_a_watch_of_the_photographs_of_the_run_ends_with_a_warning(checkout: Path) -> None:
    done = make(checkout, "run", "MODEL=m.tflite")
    assert "it was trained on" in done.stderr.splitlines()[-1]
    done = make(checkout, "run", "MODEL=m.tflite", "CAMERA=clip.mp4")
    assert done.stderr.splitlines()[-1] == "Log: m.watch.jsonl"


def test_a_password_on_the_command_line_of_make_is_refused(checkout: Path) -> None:
    done = make(checkout, "deploy", "PI=pi@pi", "MQTT=mqtts://me:hunter2@host:8883")
    assert done.returncode == 2
    assert "MQTT_PASSWORD_FILE=file" in done.stderr.splitlines()[0]
    assert "hunter2" not in done.stdout + done.stderr
    done = make(checkout, "deploy", "PI=pi@pi", "MQTT=mqtt://me@host", "MQTT_PASSWORD_FILE=gone")
    assert done.stderr.splitlines()[0] == "gone: file not found"


def test_a_broker_its_password_s_file_and_the_page_are_handed_to_the_pi(checkout: Path) -> None:
    edge = checkout / "edge"
    edge.mkdir()
    for name, text in (("bundle.sh", "echo archive"), ("deploy.sh", "printf '%s\\n' \"$@\"")):
        (edge / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (edge / name).chmod(0o755)
    (checkout / "it's mine").touch()
    broker = ("MQTT=mqtt://me@host", "MQTT_PASSWORD_FILE=it's mine")
    done = make(checkout, "deploy", "PI=pi@pi", *broker, "PAGE=1")
    flags = ["--mqtt", "mqtt://me@host", "--mqtt-password-file", "it's mine", "--page"]
    assert done.stdout.splitlines() == ["archive", "pi@pi", *flags]
    assert make(checkout, "deploy", "PI=pi@pi").stdout.splitlines() == ["archive", "pi@pi"]
    assert "MQTT=mqtt://user@host MQTT_PASSWORD_FILE=file" in make(checkout, "help").stdout

"""The options of `vedette run`, and those that other commands share with it.

Imports no numpy: `vedette check` must start where numpy is broken.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from vedette_edge.capture.region import parse_crop, parse_region
from vedette_edge.cli.config_file import load_settings
from vedette_edge.cli.notify_options import notify_options
from vedette_edge.cli.options import (
    Decorator,
    apply_options,
    collect_options,
    json_option,
    model_argument,
    model_options,
    no_self_test_option,
    parse_each,
    threads_option,
)
from vedette_edge.click_types import FiniteFloat
from vedette_edge.errors import SettingError
from vedette_edge.log.rotation import LogLimits
from vedette_edge.watch.config import CameraSettings, WatchConfig, check_hysteresis

SOURCES = """SOURCE is one of:
  picamera2, picamera2:1      a camera on the Raspberry Pi's CSI connector
  /dev/video0, v4l2:0         a USB camera
  rtsp://..., http://...      a network stream
  -, -:raw:640x480            JPEGs, or raw R, G, B, on standard input
  synthetic                   a moving test pattern
  frames/, clip.mp4           a folder or a video: every image, unless --live"""


class _Source(click.types.StringParamType):
    """A text that is required; without it, the error lists what it may be."""

    def get_missing_message(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str | None:
        return f'{SOURCES}\nOr name it in the file of --config, such as: camera = "picamera2"'


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """The log file, its limits, socket, metrics file, and the form of the lines on the terminal."""

    log: Path | None
    socket: Path | None
    metrics_file: Path | None
    limits: LogLimits
    as_json: bool


def _load_config(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Use the settings in a file as the defaults of a command's options."""
    if path:
        try:
            settings = load_settings(path, run_settings)
        except SettingError as error:
            raise click.ClickException(str(error)) from error
        known = {parameter.name for parameter in context.command.params}
        context.default_map = {name: value for name, value in settings.items() if name in known}
    return path


def _parse_size(context: click.Context, option: click.Parameter, text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{1,4})x([1-9]\d{1,4})", text)
    if not match:
        raise click.BadParameter(f"{text!r} is not valid; expected WIDTHxHEIGHT, such as 640x480")
    return int(match[1]), int(match[2])


def _validate_crop(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    parse_each(parse_crop, [text] if text else [])
    return text


def _validate_regions(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    names = [region.name for region in parse_each(parse_region, texts)]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise click.BadParameter(f"duplicate region name {min(repeated)!r}")
    return texts


def _validate_masks(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    parse_each(partial(parse_crop, name="mask"), texts)
    return texts


def _validate_metrics_file(
    context: click.Context, option: click.Parameter, path: Path | None
) -> Path | None:
    """Refuse other files, which the watch would replace."""
    if path and path.suffix != ".prom":
        raise click.BadParameter(
            f"{str(path)!r} does not end in .prom; node_exporter reads no other files"
        )
    return path


def _add_number(names: str, kind: click.FloatRange, default: float, text: str) -> Decorator:
    return click.option(*names.split(), type=kind, default=default, help=text)


SHARE, SECONDS, MEGABYTES = FiniteFloat(0, 1), FiniteFloat(0), FiniteFloat(0.01, 1e6)
FLUSH = FiniteFloat(0.1, 86_400)  # seconds

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),  # load_settings says how to fix it
    is_eager=True,
    callback=_load_config,
    help="TOML file of these settings, under the same names; flags override it.",
)
size_option = click.option(
    "--size",
    metavar="WxH",
    default="640x480",
    callback=_parse_size,
    help="Size to ask a camera for, in px.",
)
_camera_options = (
    size_option,
    click.option(
        "--rotate",
        type=click.Choice(["0", "90", "180", "270"]),
        default="0",
        help="Rotate the frames clockwise, in degrees.",
    ),
    click.option("--flip", type=click.Choice(["horizontal", "vertical"]), help="Flip the frames."),
    click.option(
        "--crop", metavar="X,Y,W,H", callback=_validate_crop, help="Use only this part, in px."
    ),
    click.option(
        "--region",
        "regions",
        multiple=True,
        metavar="NAME=X,Y,W,H",
        callback=_validate_regions,
        help="Classify this part separately, in px.",
    ),
    click.option(
        "--mask",
        "masks",
        multiple=True,
        metavar="X,Y,W,H",
        callback=_validate_masks,
        help="Make this part black, in px, before anything sees it.",
    ),
    click.option(
        "--camera-certificate",
        "certificate",
        type=click.Path(exists=True, dir_okay=False),
        help="PEM file with the certificate of an https or rtsps camera, or of its authority.",
    ),
)
camera_options = collect_options(
    "camera",
    CameraSettings,
    click.option("--camera", "source", metavar="SOURCE", help="Check this camera, too."),
    *_camera_options,
)
log_options = apply_options(
    click.option("--log", type=click.Path(path_type=Path), help="Log to this file, as JSON lines."),
    collect_options(
        "limits",
        LogLimits.from_megabytes,
        _add_number("--log-day day_mb", MEGABYTES, 5.0, "Most MB that the log grows in 24 hours."),
        _add_number(
            "--log-total total_mb", MEGABYTES, 50.0, "Most MB of all its files; the oldest go."
        ),
        _add_number(
            "--log-flush flush_s", FLUSH, 5.0, "Seconds of records that a power cut may lose."
        ),
    ),
)
metrics_file_option = click.option(
    "--metrics-file",
    type=click.Path(path_type=Path),
    callback=_validate_metrics_file,
    help="Keep figures for Prometheus in this file, which ends in .prom.",
)
watch_options = apply_options(
    collect_options(
        "camera",
        CameraSettings,
        click.option(
            "--camera", "source", type=_Source(), required=True, metavar="SOURCE", help="See below."
        ),
        *_camera_options,
        click.option(
            "--live", is_flag=True, help="Treat files as a camera: newest frame, changes only."
        ),
        click.option("--loop", is_flag=True, help="Start files again at their end."),
        click.option("--follow", is_flag=True, help="Wait for new images in a folder."),
    ),
    collect_options(
        "watch",
        WatchConfig,
        click.option("--every-frame", is_flag=True, help="Report every frame, not only changes."),
        _add_number("--smoothing", SECONDS, 1.0, "Smooth the scores over this time, in seconds."),
        _add_number("--enter", SHARE, 0.5, "Score at which a label takes over."),
        _add_number(
            "--leave", SHARE, 0.35, "Score below which it gives way to unknown; at most --enter."
        ),
        _add_number("--dwell", SECONDS, 1.0, "Shortest time that a label stays, in seconds."),
        _add_number("--fps", SECONDS, 0.0, "Most frames per second to classify; 0: all."),
        _add_number(
            "--motion", SHARE, 0.0, "Skip frames that changed less than this share; 0: none."
        ),
        _add_number("--heartbeat", SECONDS, 60.0, "Seconds between heartbeats; 0: none."),
    ),
)
run_options = apply_options(
    model_argument,
    config_option,
    watch_options,
    collect_options(
        "output",
        OutputOptions,
        log_options,
        click.option(
            "--socket",
            type=click.Path(path_type=Path),
            show_default="the service's, /run/vedette/watch.sock",
            help="Show viewers frames and records at this Unix socket.",
        ),
        metrics_file_option,
        json_option,
    ),
    notify_options,
    threads_option,
    no_self_test_option,
    model_options,
)


@click.command("run")
@run_options
def run_settings(**_: object) -> None:
    """Hold the settings that a TOML file may have; never runs."""


def check_contradictions(settings: Mapping[str, Any]) -> None:
    """Check settings against each other, and against the defaults of those that are not there.

    Raises SettingError.
    """
    defaults = {one.name: one.default for one in run_settings.params}
    enter, leave = (float(settings.get(name, defaults[name])) for name in ("enter", "leave"))
    check_hysteresis(enter, leave)

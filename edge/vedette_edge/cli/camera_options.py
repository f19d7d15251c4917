"""The flags that say how a camera is to be asked and is mounted, for all commands that use one."""

import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

from vedette_edge.capture.region import parse_crop, parse_region
from vedette_edge.errors import SettingError

if TYPE_CHECKING:
    from vedette_edge.cameras import CameraConfig
    from vedette_edge.capture.orientation import Orientation

Command = Callable[..., None]


def _size(context: click.Context, option: click.Parameter, text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{1,4})x([1-9]\d{1,4})", text)
    if not found:
        raise click.BadParameter(f"{text!r} is not understood; expected WIDTHxHEIGHT, e.g. 640x480")
    return int(found[1]), int(found[2])


def _understood(parse: Callable[[str], object], *texts: str) -> None:
    """Refuses, with the other flags, what `parse` would refuse later with a SettingError."""
    try:
        for text in texts:
            parse(text)
    except SettingError as error:
        raise click.BadParameter(str(error)) from error


def _crop(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    if text:
        _understood(parse_crop, text)
    return text


def _regions(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    _understood(parse_region, *texts)
    names = [parse_region(one).name for one in texts]
    if doubled := {one for one in names if names.count(one) > 1}:
        raise click.BadParameter(f"{min(doubled)} is there twice; each needs a name of its own")
    return texts


size_option = click.option(
    "--size",
    metavar="WxH",
    default="640x480",
    show_default=True,
    callback=_size,
    help="Size that is asked of a camera, px.",
)
region_option = click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="NAME=X,Y,W,H",
    callback=_regions,
    help="A part, in px.",
)
_OPTIONS = (
    size_option,
    click.option(
        "--rotate",
        type=click.Choice(["0", "90", "180", "270"]),
        default="0",
        show_default=True,
        help="Degrees clockwise, as the camera is mounted.",
    ),
    click.option(
        "--flip", type=click.Choice(["horizontal", "vertical"]), help="Mirror the frames."
    ),
    click.option("--crop", metavar="X,Y,W,H", callback=_crop, help="Look at this part alone, px."),
)


def camera_options(command: Command) -> Command:
    """Gives a command these flags; `wish_of` and `mounting_of` read what they say."""
    return reduce(lambda inner, option: option(inner), reversed(_OPTIONS), command)


def camera_config(wished: Mapping[str, Any]) -> "CameraConfig":
    """What is wanted of the source; raises nothing that is not known of it."""
    from vedette_edge.cameras import CameraConfig

    width, height = wished["size"]
    flags = {name: wished.get(name, False) for name in ("live", "loop", "follow")}
    return CameraConfig(wished["camera"], width, height, **flags)


def mounting_of(wished: Mapping[str, Any]) -> "Orientation":
    """How it is mounted. Raises SettingError for a crop that is not understood."""
    from vedette_edge.capture.orientation import Orientation

    crop = parse_crop(wished["crop"]) if wished["crop"] else None
    return Orientation(int(wished["rotate"]), wished["flip"] or "", crop)

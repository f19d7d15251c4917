"""A TOML file in which `vedette run` finds what its command line does not say."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from vedette_edge.errors import SettingError


def load_settings(path: Path, command: click.Command) -> dict[str, Any]:
    """The settings in a file: one for each option of the command, under the option's name.

    Raises SettingError, naming all that is wrong at once: keys that are unknown, with the
    nearest known one, and values that do not fit.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8-sig"))
    except PermissionError as error:
        service = "if it is the service's, its user may: sudo -u vedette vedette ..."
        raise SettingError(f"{path}: {error.strerror}; {service}") from error
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{path}: is no TOML ({error})") from error
    known = {_key(one): one for one in command.params if one.name not in ("config", "help")}
    wrong = [*_unknown(found, known), *_unfit(found, known, click.Context(command))]
    if wrong:
        raise SettingError("\n".join(f"{path}: {line}" for line in wrong))
    return {str(known[key].name): _said(value, known[key]) for key, value in found.items()}


def _said(value: Any, parameter: click.Parameter) -> bool | str | list[str]:
    """What a command line would say; true and false for its flags alone.

    Raises click.BadParameter for what it could not say.
    """
    if getattr(parameter, "is_flag", False):
        if isinstance(value, bool):
            return value
        raise click.BadParameter("expected true or false")
    several = value if parameter.multiple and isinstance(value, list) else [value]
    if not all(_is_plain(one) for one in several):
        list_too = ", or a list of these" if parameter.multiple else ""
        raise click.BadParameter(f"expected a text or a number{list_too}")
    texts = [str(one) for one in several]
    return texts if parameter.multiple else texts[0]


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value) and "\0" not in value
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(parameter: click.Parameter) -> str:
    """An option's name on the command line, without dashes; of an argument, its own."""
    return max(parameter.opts, key=len).lstrip("-")


def _unknown(found: Mapping[str, Any], known: Mapping[str, click.Parameter]) -> list[str]:
    lines = []
    for key in found.keys() - known.keys():
        near = difflib.get_close_matches(key, known, 1)
        hint = f"is {near[0]!r} meant?" if near else f"known are {', '.join(sorted(known))}"
        lines.append(f"{key!r} is unknown; {hint}")
    return sorted(lines)


def _unfit(
    found: Mapping[str, Any], known: Mapping[str, click.Parameter], context: click.Context
) -> list[str]:
    lines = []
    for key, value in found.items():
        if parameter := known.get(key):
            try:
                parameter.process_value(context, _said(value, parameter))
            except click.ClickException as error:
                lines.append(f"{key} is {value!r}: {error.message}")
    return lines

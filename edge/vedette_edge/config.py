"""A TOML file in which `vedette run` finds what its command line does not say."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from vedette_edge.errors import SettingError


def defaults(path: Path, command: click.Command) -> dict[str, Any]:
    """The settings in a file: one for each option of the command, under the option's name.

    Raises SettingError, naming all that is wrong at once: keys that are unknown, with the
    nearest known one, and values that do not fit.
    """
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except PermissionError as error:
        service = "if it is the service's, its user may: sudo -u vedette vedette ..."
        raise SettingError(f"{path}: {error.strerror}; {service}") from error
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: is no TOML ({error})") from error
    known = {_key(one): one for one in command.params if one.name not in ("config", "help")}
    found = {key: _several(value, known.get(key)) for key, value in found.items()}
    wrong = [*_unknown(found, known), *_unfit(found, known, click.Context(command))]
    if wrong:
        raise SettingError("\n".join(f"{path}: {line}" for line in wrong))
    return {str(known[key].name): value for key, value in found.items()}


def _several(value: Any, parameter: click.Parameter | None) -> Any:
    """One value is a list of one, where there may be several."""
    return [value] if parameter and parameter.multiple and isinstance(value, str) else value


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
                parameter.process_value(context, value)
            except click.ClickException as error:
                lines.append(f"{key} is {value!r}: {error.message}")
    return lines

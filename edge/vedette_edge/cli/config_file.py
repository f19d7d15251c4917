"""The TOML file of `vedette run`, which has the same settings as the command line."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from vedette_edge.cli.options import RuleTables, suggest_name
from vedette_edge.errors import SettingError
from vedette_edge.files import read_bounded

LARGEST_BYTES = 1 << 20
SECRETS = ("camera", "mqtt", "on")  # keys whose value may hold a password, wherever in it


def load_settings(path: Path, command: click.Command) -> dict[str, Any]:
    """Load the settings in a file: values for the options of a command, by parameter name.

    Raises SettingError that names all mistakes at once: unknown keys, each with the nearest known
    one, and values that are not valid.
    """
    try:
        content = tomllib.loads(read_bounded(path, LARGEST_BYTES).decode("utf-8-sig"))
        repr(content)  # a ValueError for a number of too many hexadecimal digits
    except PermissionError as error:
        hint = "if it is the service's, run as its user: sudo -u vedette vedette ..."
        raise SettingError(f"{path}: {error.strerror}; {hint}") from error
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{path}: not valid TOML ({error})") from error
    settings = {key.replace("_", "-"): value for key, value in content.items()}
    if len(settings) < len(content):
        raise SettingError(f"{path}: a key is there twice, once with - and once with _; remove one")
    known = {find_key(one): one for one in command.params if one.name not in ("config", "help")}
    context = click.Context(command)
    mistakes = [*_list_unknown(settings, known), *_list_invalid(settings, known, context)]
    if mistakes:
        raise SettingError("\n".join(f"{path}: {line}" for line in mistakes))
    pairs = ((known[key], value) for key, value in settings.items())
    return {str(option.name): _convert_value(value, option) for option, value in pairs}


def find_key(parameter: click.Parameter) -> str:
    """Find the key of a parameter: the option's name without dashes, or the argument's name."""
    return max(parameter.opts, key=len).lstrip("-")


def _convert_value(value: Any, parameter: click.Parameter) -> Any:
    """Convert a value to what the command line would hold; only flags take true and false.

    Tables stay as they are. Raises click.BadParameter for a value that a command line cannot hold.
    """
    if isinstance(parameter.type, RuleTables):
        return value
    if getattr(parameter, "is_flag", False):
        if isinstance(value, bool):
            return value
        raise click.BadParameter("expected true or false")
    values = value if parameter.multiple and isinstance(value, list) else [value]
    if not all(_is_plain(one) for one in values):
        or_list = ", or a list of these" if parameter.multiple else ""
        raise click.BadParameter(f"expected a text or a number{or_list}")
    texts = [str(one) for one in values]
    return texts if parameter.multiple else texts[0]


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value) and "\0" not in value
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list_unknown(settings: Mapping[str, Any], known: Mapping[str, click.Parameter]) -> list[str]:
    lines = []
    for key in settings.keys() - known.keys():
        lines.append(f"unknown key {key!r}; {suggest_name(key, known)}")
    return sorted(lines)


def _list_invalid(
    settings: Mapping[str, Any], known: Mapping[str, click.Parameter], context: click.Context
) -> list[str]:
    lines = []
    for key, value in settings.items():
        if parameter := known.get(key):
            try:
                parameter.process_value(context, _convert_value(value, parameter))
            except click.ClickException as error:
                unnamed = key in SECRETS or repr(value) in error.message
                shown = "" if unnamed else f" is {value!r}"
                lines.append(f"{key}{shown}: {error.message}")
    return lines

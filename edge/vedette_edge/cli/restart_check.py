"""The check of a changed TOML file, before the watch restarts with it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from vedette_edge.cameras import find_camera
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.cli.config_file import find_key, load_settings
from vedette_edge.cli.notify_options import build_from_settings
from vedette_edge.cli.watch_options import check_contradictions
from vedette_edge.errors import SettingError, VedetteError
from vedette_edge.host import memory
from vedette_edge.log.detection import check_log
from vedette_edge.model import self_test
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.contract import UNKNOWN
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.policy.rule import Rule, check_labels


def check_restart(context: click.Context, path: Path | None) -> None:
    """Check that the watch could restart with the file as it is now. Raises SettingError."""
    if not path:
        return
    settings = load_settings(path, context.command)
    for parameter in context.command.params:
        name = str(parameter.name)
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            settings[name] = context.params[name]  # the command line overrides it
        elif parameter.required and name not in settings:
            raise SettingError(f"{path}: {find_key(parameter)} is missing")
        elif name in settings:
            settings[name] = parameter.process_value(context, settings[name])
    try:
        check_contradictions(settings)
        _check_files(settings)
        _check_model(settings, build_from_settings(settings).rules)
    except VedetteError as error:
        raise SettingError(f"{path}: {error}") from error


def _check_files(settings: Mapping[str, Any]) -> None:
    """Check what the settings name. Raises VedetteError."""
    find_camera(CameraConfig(settings["source"]))
    if "log" in settings:
        check_log(settings["log"])
    if "metrics_file" in settings:
        import vedette_edge.metrics.exposition  # noqa: F401  # what is off costs no import


def _check_model(settings: Mapping[str, Any], rules: Sequence[Rule]) -> None:
    """Start and test the model as the watch would, and free it. Raises VedetteError."""
    names = (field.name for field in fields(ModelOverrides))
    overrides = ModelOverrides(**{name: settings.get(name) for name in names})
    with Classifier(
        settings["model"], threads=settings.get("threads"), overrides=overrides
    ) as classifier:
        check_labels(rules, [*classifier.contract.labels, UNKNOWN])
        if classifier.model.samples and not settings.get("no_self_test"):
            self_test.require_equal(classifier, list(self_test.replay_samples(classifier)))
    memory.trim_heap()

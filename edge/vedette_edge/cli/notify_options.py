"""The options of the outputs besides the log: a broker, webhooks, snapshots, and the policy.

Imports no numpy: `vedette check` must start where numpy is broken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from vedette_edge.cli.mqtt_options import mqtt_options
from vedette_edge.cli.options import RuleTables, collect_options
from vedette_edge.click_types import FiniteFloat
from vedette_edge.errors import SettingError
from vedette_edge.mqtt.config import MqttSettings, build_config
from vedette_edge.policy.rule import Rule
from vedette_edge.sinks.snapshot_files import SnapshotLimits
from vedette_edge.watch.notify_config import NotifyConfig

TOTAL_MB, FILES, MOST_FILES = 200.0, 1_000, 1_000_000


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Settings of the outputs, as flags and TOML file have them."""

    mqtt: MqttSettings
    snapshots: Path | None = None
    snapshots_total: float = TOTAL_MB
    snapshots_files: int = FILES
    snapshots_regions: bool = False
    rules: tuple[Rule, ...] = ()


def build_notify_config(settings: NotifySettings) -> NotifyConfig:
    """Build the configuration. Raises SettingError, also if a rule can have no effect."""
    config = NotifyConfig(
        build_config(settings.mqtt),
        settings.snapshots,
        SnapshotLimits.from_megabytes(settings.snapshots_total, settings.snapshots_files),
        settings.snapshots_regions,
        settings.rules,
    )
    if config.snapshots:
        from vedette_edge.sinks.snapshot_folder import check_snapshot_folder  # what is off is free

        check_snapshot_folder(config.snapshots)
    for number, rule in enumerate(config.rules, 1):
        if rule.webhook:
            _check_webhook(number, rule.webhook)
        elif not _has_effect(rule, config):
            raise SettingError(f"[[on]] {number}: tells nobody; {_suggest_output(rule)}")
    return config


def _check_webhook(number: int, url: str) -> None:
    from vedette_edge.sinks.webhook_address import parse_webhook  # what is off is free

    try:
        parse_webhook(url)
    except SettingError as error:
        raise SettingError(f"[[on]] {number}: {error}") from error


def build_from_settings(settings: Mapping[str, Any]) -> NotifyConfig:
    """Build the configuration from values by parameter name. Raises SettingError."""
    of_mqtt, own = (
        {one.name: settings[one.name] for one in fields(kind) if one.name in settings}
        for kind in (MqttSettings, NotifySettings)
    )
    return _build_at_once(**own | {"mqtt": MqttSettings(**of_mqtt)})


def _has_effect(rule: Rule, config: NotifyConfig) -> bool:
    """True if a rule without a webhook changes what an output is sent."""
    if rule.event != "change":  # a broker gets the camera's state anyway
        return False
    return bool(config.mqtt or (config.snapshots and rule.snapshot))


def _suggest_output(rule: Rule) -> str:
    if rule.event != "change":
        return 'add webhook = "http://..."'
    return 'add webhook = "http://...", or set mqtt, or snapshots and snapshot = true'


@wraps(NotifySettings, updated=())  # with its parameters
def _build_at_once(**settings: Any) -> NotifyConfig:
    return build_notify_config(NotifySettings(**settings))


_options = (
    mqtt_options,
    click.option(
        "--snapshots",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Keep the picture of each change here.",
    ),
    click.option(
        "--snapshots-total",
        type=FiniteFloat(0.1, 1e6),
        default=TOTAL_MB,
        help="Most MB of all snapshots; the oldest go.",
    ),
    click.option(
        "--snapshots-files",
        type=click.IntRange(1, MOST_FILES),
        default=FILES,
        help="Most snapshots; the oldest go.",
    ),
    click.option(
        "--snapshots-regions",
        is_flag=True,
        help="Keep a second copy with the region drawn.",
    ),
    click.option("--on", "rules", type=RuleTables(), default=(), hidden=True),
)
# `vedette run` takes the configuration; `vedette check` the settings, to report what is wrong.
notify_options = collect_options("notify", _build_at_once, *_options)
notify_settings_options = collect_options("notify", NotifySettings, *_options)

"""Checks of the outputs: the policy, the broker, webhooks, and settings from elsewhere."""

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.doctor.broker import check_broker
from vedette_edge.doctor.machine import is_service_running
from vedette_edge.errors import SettingError
from vedette_edge.mqtt.device import create_stable_id
from vedette_edge.policy.rule import check_labels
from vedette_edge.sinks.webhook_address import parse_webhook
from vedette_edge.watch.notify_config import NotifyConfig
from vedette_edge.watch.thresholds import SETTINGS_FILE, load_overrides

SERVICE_STATE = Path("/var/lib/vedette")
RESOLVE_S = 5.0  # to wait for a name server


def check_outputs(config: NotifyConfig, labels: Sequence[str]) -> Iterator[Finding]:
    """Check what is configured. `labels` are the model's answers; empty if it does not load."""
    yield from _check_rules(config, labels)
    yield from _check_overrides(SERVICE_STATE / SETTINGS_FILE)
    if config.mqtt:
        yield from check_broker(config.mqtt, create_stable_id(), running=is_service_running())
    if config.snapshots:
        yield _check_snapshots(config.snapshots)
    urls = [rule.webhook for rule in config.rules if rule.webhook]
    for host in sorted({parse_webhook(url).host for url in urls}):
        yield _check_webhook(host)


def check_metrics_file(path: Path) -> Finding:
    """Check that the metrics can be written to a file, which need not exist yet."""
    try:
        import vedette_edge.metrics.exposition  # noqa: F401  # imports prometheus-client
    except SettingError as error:
        reason, _, fix = str(error).partition(": ")
        return Finding("metrics", FAULT, reason, fix)
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        detail = f"{folder} does not exist; the watch tries again until it does"
        return Finding("metrics", WARNING, detail, "/run/vedette is there while the service runs")
    if not os.access(folder, os.W_OK | os.X_OK):
        fix = "name a file in a folder of the watch's user, such as /run/vedette/vedette.prom"
        return Finding("metrics", FAULT, f"{path}: no permission to write in {folder}", fix)
    return Finding("metrics", OK, f"{path} can be written")


def _check_rules(config: NotifyConfig, labels: Sequence[str]) -> Iterator[Finding]:
    if not config.rules or not labels:
        return
    try:
        check_labels(config.rules, labels)
        count = len(config.rules)
        yield Finding("policy", OK, f"{count} rule{'s' * (count > 1)}, for labels of the model")
    except SettingError as error:
        yield Finding("policy", FAULT, str(error))


def _check_overrides(path: Path) -> Iterator[Finding]:
    """Report each setting that was set while a watch ran."""
    try:
        for name, value in load_overrides(path).items():
            detail = f"{name} is {value:g}, as it was set: that counts more than the configuration"
            yield Finding("settings", OK, detail, f"sudo rm {path}  # to use them again")
    except SettingError as error:
        yield Finding("settings", WARNING, str(error))


def _check_snapshots(folder: Path) -> Finding:
    """Check that snapshots can be written, into the folder or into one that is yet to be made."""
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    if os.access(place, os.W_OK | os.X_OK):
        return Finding("snapshots", OK, f"{folder} can be written")
    detail = f"{folder}: no permission to write in {place}"
    fix = "name a folder of the watch's user, such as /var/lib/vedette/snapshots"
    return Finding("snapshots", FAULT, detail, fix)


def _check_webhook(host: str) -> Finding:
    """Check that the name of a webhook's host is known; posts nothing."""
    if _resolves(host):
        return Finding("webhook", OK, f"{host} has an address")
    fix = "check the name and the network, or use an IP address"
    return Finding("webhook", WARNING, f"{host} has no address", fix)


def _resolves(host: str) -> bool:
    """True if a name has an address. A name server that does not answer counts as none."""
    known = []

    def resolve() -> None:
        with suppress(OSError, UnicodeError):
            known.append(socket.getaddrinfo(host, None))

    thread = threading.Thread(target=resolve, daemon=True)  # it has no time limit of its own
    thread.start()
    thread.join(RESOLVE_S)
    return bool(known)

"""The outputs of a watch, opened and tied to it. Imported only if there are any."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial

from vedette_edge.cli.watch_plan import WatchPlan
from vedette_edge.files import find_state_directory
from vedette_edge.model.contract import UNKNOWN
from vedette_edge.mqtt.config import create_device_id
from vedette_edge.mqtt.device import describe_device
from vedette_edge.policy.memory import PolicyMemory
from vedette_edge.policy.policy import Policy
from vedette_edge.policy.rule import check_labels
from vedette_edge.sinks import Sink
from vedette_edge.sinks.snapshot_folder import SnapshotFolder
from vedette_edge.sinks.state_file import StateFile
from vedette_edge.sinks.webhook import WebhookSender
from vedette_edge.watch.controls import Controls
from vedette_edge.watch.dispatcher import Dispatcher, Outputs
from vedette_edge.watch.loop import Watch
from vedette_edge.watch.notifier import Notifier
from vedette_edge.watch.notify_config import NotifyConfig
from vedette_edge.watch.stats import FrameTimings, Heartbeat

HEALTH_S = 60.0  # between two reports of the watch's health to a broker
POLICY_FILE = "policy.json"


@dataclass(frozen=True, slots=True)
class WatchOutputs:
    """The outputs of a watch that is about to begin."""

    config: NotifyConfig
    plan: WatchPlan
    notifier: Notifier
    outputs: Outputs
    controls: Controls
    dispatcher: Dispatcher

    @property
    def sink(self) -> Notifier:
        """The sink of the watch."""
        return self.notifier

    def attach(self, watch: Watch, on_frame: Callable[[FrameTimings], None]) -> Watch:
        """Tie the outputs to a watch; return it with its hooks."""
        if any(rule.snapshot for rule in self.config.effective_rules):
            regions, names_files = self.plan.capture.regions, bool(self.config.snapshots)
            self.notifier.attach(watch.camera, regions, names_files=names_files)
        self._publish_settings()
        health = replace(watch.heartbeat, every_s=HEALTH_S, last_s=-HEALTH_S)
        return replace(
            watch,
            on_frame=partial(self._on_frame, watch, on_frame),
            on_check=partial(self._on_check, watch, health),
            controls=self.controls,
            on_settings=self._on_settings,
        )

    def read_counters(self) -> dict[str, dict[str, object]]:
        """Read the counters of each output since the start."""
        counters = {
            "mqtt": self.outputs.mqtt,
            "webhooks": self.outputs.webhooks,
            "snapshots": self.outputs.snapshots,
        }
        fields = {name: asdict(one.read_counters()) for name, one in counters.items() if one}
        own = {"dropped": self.dispatcher.dropped, "refused": self.controls.refused}
        return {**fields, "watch": own}

    def _on_frame(
        self, watch: Watch, on_frame: Callable[[FrameTimings], None], timings: FrameTimings
    ) -> None:
        on_frame(timings)
        self.notifier.add_frame(timings, watch.regions)

    def _on_check(self, watch: Watch, health: Heartbeat) -> None:
        self.notifier.check()
        if self.outputs.mqtt:
            self._publish_health(watch, health)

    def _on_settings(self) -> None:
        self.notifier.expect_changes()
        self._publish_settings()

    def _publish_settings(self) -> None:
        if self.outputs.mqtt:
            self.outputs.mqtt.publish_settings(self.controls.settings)

    def _publish_health(self, watch: Watch, health: Heartbeat) -> None:
        """Publish the state of the watch at intervals, from the first frame or outage on."""
        lost_s = watch.camera.lost_s
        if watch.stats.frames or watch.stats.skipped or lost_s:
            for record in health.create_due(watch.stats, watch.regions, lost_s):
                self.notifier.publish(record)


@contextmanager
def open_outputs(
    config: NotifyConfig, sink: Sink, plan: WatchPlan, controls: Controls
) -> Iterator[WatchOutputs]:
    """Open the outputs. Raises SettingError if they cannot be used."""
    check_labels(config.rules, [*plan.classifier.contract.labels, UNKNOWN])
    folder = find_state_directory()
    with ExitStack() as stack:
        outputs = _create_outputs(config, plan, controls)
        dispatcher = stack.enter_context(Dispatcher(outputs))
        path = folder / POLICY_FILE if folder else None
        memory, remembered = PolicyMemory(path), StateFile(path)
        stack.callback(remembered.close)
        policy = Policy(config.effective_rules, memory)
        notifier = Notifier(sink, policy, dispatcher, lambda: remembered.write(memory.to_dict()))
        yield WatchOutputs(config, plan, notifier, outputs, controls, dispatcher)


def _create_outputs(config: NotifyConfig, plan: WatchPlan, controls: Controls) -> Outputs:
    device_id = config.mqtt.device_id if config.mqtt else create_device_id()
    mqtt = None
    if config.mqtt:
        from vedette_edge.mqtt.output import MqttOutput  # paho-mqtt is an extra

        regions = tuple(region.name for region in plan.capture.regions)
        labels, name = plan.classifier.contract.labels, plan.classifier.model.path.name
        device = describe_device(device_id, labels, regions, HEALTH_S, name)
        mqtt = MqttOutput(config.mqtt, device, controls.put)
    return Outputs(
        mqtt=mqtt,
        webhooks=WebhookSender(device_id) if config.has_webhooks else None,
        snapshots=SnapshotFolder(config.snapshots, config.limits) if config.snapshots else None,
        marked=config.marks_regions,
    )

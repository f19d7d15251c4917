"""A watch before it begins: its settings, its model, and the configuration of its capture."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.cli.capture_config import build_capture_config
from vedette_edge.console import format_answer
from vedette_edge.log.formatting import format_label
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.contract import UNKNOWN
from vedette_edge.watch.config import WatchConfig
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import RegionState
from vedette_edge.watch.thresholds import Thresholds, load_thresholds


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """The parts of a watch that are there before its camera opens."""

    config: WatchConfig
    capture: CaptureConfig
    classifier: Classifier
    thresholds: Thresholds

    def build_regions(self) -> list[RegionState]:
        """Build the state of each region."""
        config, contract = self.config, self.classifier.contract
        names = [region.name for region in self.capture.regions]
        if self.capture.every_frame:
            return [RegionState(name, None, every_frame=True) for name in names]
        smoothing = SmoothingConfig(config.smoothing, config.enter, config.leave, config.dwell)
        regions = []
        for name in names:
            smoother = LabelSmoother(contract.labels, contract.confidence, smoothing)
            regions.append(RegionState(name, smoother, config.every_frame))
        return regions

    def describe_start(self) -> dict[str, object]:
        """Create the fields of the start record."""
        orientation = str(self.capture.orientation)
        return {
            "model": self.classifier.model.path.name,
            "camera": self.capture.camera.name,
            **({"mounting": orientation} if orientation else {}),
            "settings": self.config.to_settings(),
            **({"overrides": self.thresholds.overrides} if self.thresholds.overrides else {}),
        }

    def describe_live(self, log: Path | None, snapshots: Path | None) -> dict[str, object]:
        """Create what each viewer is sent first, with the places of its log and snapshots."""
        contract = self.classifier.contract
        places = {"log": log, "snapshots": snapshots}
        return {
            **self.describe_start(),
            "labels": list(contract.labels),
            "thresholds": [contract.confidence.threshold(label) for label in contract.labels],
            "regions": [region.name for region in self.capture.regions],
            **{name: str(path.absolute()) if path else None for name, path in places.items()},
        }

    def list_answers(self) -> Iterator[str]:
        """List all answers. A watch that reports changes has thresholds of its own."""
        contract = self.classifier.contract
        answers = [*contract.labels]
        for label in contract.labels:
            if contract.confidence.threshold(label) or not self.capture.every_frame:
                answers.append(format_answer(UNKNOWN, label))
        for region in self.capture.regions:
            yield from (format_label(region.name, answer) for answer in answers)


def build_plan(config: WatchConfig, classifier: Classifier) -> WatchPlan:
    """Build the plan of a watch, with the thresholds that it was set to. Raises SettingError."""
    thresholds = load_thresholds(config)
    present = thresholds.present
    config = replace(config, enter=present["enter"], leave=present["leave"])
    capture = build_capture_config(config, classifier.contract)
    return WatchPlan(config, capture, classifier, thresholds)

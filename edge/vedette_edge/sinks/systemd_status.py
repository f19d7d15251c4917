"""The latest labels, in the status that `systemctl status` shows."""

from collections.abc import Mapping

from vedette_edge.console import escape_unprintable
from vedette_edge.host.systemd import notify
from vedette_edge.log.formatting import format_label

MAX_LENGTH = 1000  # characters: systemd takes messages of up to 4,096 bytes


class SystemdStatus:
    """A sink that shows the latest label of each region, or that the camera is lost."""

    def __init__(self, event: str) -> None:
        """`event` names the records with labels: change, or frame if each image is reported."""
        self._event = event
        self._latest: dict[object, Mapping[str, object]] = {}

    def write(self, record: Mapping[str, object]) -> None:
        """Update the status if the record changes it."""
        event, region = record["event"], record.get("region", "")
        if event == "camera_lost":
            self._send(f"camera lost: {record['reason']}")
        elif event == "camera_restored":
            self._send_labels()
        elif event == self._event and record["label"] != self._latest.get(region, {}).get("label"):
            self._latest[region] = record
            self._send_labels()

    def _send_labels(self) -> None:
        labels = (
            format_label(str(region), f"{record['label']} ({record['score']:.2f})")
            for region, record in self._latest.items()
        )
        self._send(", ".join(labels))

    def _send(self, status: str) -> None:
        notify(escape_unprintable(f"STATUS={status}")[:MAX_LENGTH])

"""The last label in the status that systemctl shows."""

from collections.abc import Mapping

from vedette_edge.console import escape_unprintable
from vedette_edge.host.systemd import notify
from vedette_edge.log.formatting import format_label

LONGEST = 1000  # characters: systemd takes no message of more than 4,096 bytes


class SystemdStatus:
    """A sink whose last label, of each region, or lost camera `systemctl status` shows."""

    def __init__(self, event: str) -> None:
        """`event` is what tells of labels: change, or frame where each is on its own."""
        self._event = event
        self._last: dict[object, Mapping[str, object]] = {}

    def write(self, record: Mapping[str, object]) -> None:
        """Tell of a label that is new, and of the camera."""
        event, region = record["event"], record.get("region", "")
        if event == "lost":
            self._tell(f"camera lost: {record['reason']}")
        elif event == "back":
            self._tell_labels()
        elif event == self._event and record["label"] != self._last.get(region, {}).get("label"):
            self._last[region] = record
            self._tell_labels()

    def _tell_labels(self) -> None:
        last = self._last.items()
        self._tell(
            ", ".join(
                format_label(str(at), f"{one['label']} ({one['score']:.2f})") for at, one in last
            )
        )

    def _tell(self, status: str) -> None:
        notify(escape_unprintable(f"STATUS={status}")[:LONGEST])

    def counters(self) -> Mapping[str, object]:
        """None: systemd counts nothing."""
        return {}

"""The two best scores of each moment of the last 24 hours, in a file that viewers may read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ProtocolError
from vedette_edge.live.protocol import Packet

DAY_S = 86_400
LARGEST_SCORE = 65_535  # stands for 1.0
ENTRY = np.dtype([("labels", "<u2", 2), ("scores", "<u2", 2)])  # best first; labels from 1 on
MOST_BYTES = DAY_S * ENTRY.itemsize

Entries = NDArray[np.void]  # regions x steps, each an ENTRY; label 0 where there is none


@dataclass(frozen=True, slots=True)
class ScoreHistory:
    """Smoothed scores of the past, the oldest first."""

    regions: Sequence[str]
    step_s: float  # from one entry to the next
    end_s: float  # of the newest entry, seconds since the epoch
    entries: Entries
    rules: Mapping[str, float]  # at present: enter, leave, dwell

    def find_begin(self) -> float:
        """Find the time of the oldest scores, in seconds since the epoch; their end if none are."""
        count = self.entries.shape[1]
        known = np.flatnonzero(self.entries["labels"][:, :, 0].any(axis=0))
        return float(self.end_s - self.step_s * (count - (int(known[0]) if len(known) else count)))


def create_score_history(fields: Mapping[str, object], file: int) -> Packet:
    """Create the packet of the file with the scores."""
    return Packet({"type": "score_history", **fields}, file=file)


def decode_score_history(packet: Packet) -> ScoreHistory:
    """Decode a packet with the content of its file. Raises ProtocolError."""
    header: Mapping[str, Any] = packet.header
    try:
        regions, count = list(map(str, header["regions"])), int(header["count"])
        entries = np.frombuffer(packet.body, ENTRY).reshape(len(regions), count)
        newest, step_s, end_s = int(header["newest"]), float(header["step_s"]), float(header["at"])
        rules = {name: float(header[name]) for name in ("enter", "leave", "dwell")}
        if not (count > 0 < step_s and np.isfinite([end_s, step_s, *rules.values()]).all()):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ProtocolError("the score history does not have the size that it says") from error
    # Step n is at n modulo count, so the oldest one follows the newest.
    ordered = np.roll(entries, -(newest % count + 1), axis=1)
    ordered[:, 0] = 0  # where a newer one may have been written meanwhile
    return ScoreHistory(regions, step_s, end_s, ordered, rules)

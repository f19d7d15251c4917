"""Preparation of image files on a Dask cluster: found, checked, hashed and resized by its workers.

Imports dask, which is an extra.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from vedette_edge.cluster.session import find_version
from vedette_edge.cluster.team import Team
from vedette_edge.images.decoding import list_optional_formats
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.model.contract import Contract
from vedette_train.data.decoder_messages import capture_messages
from vedette_train.data.preparation import Entry, Preparer, Row
from vedette_train.data.workplace import Workplace

FILES_PER_SHARD = 16  # prepared by one worker before it takes others

_alone = Lock()  # the messages of decoders are those of the whole process


@dataclass(frozen=True, slots=True)
class PreparationJob:
    """What is prepared, and what the result depends on."""

    data: Path  # absolute
    contract: Contract
    version: str
    formats: tuple[str, ...]  # that not every installation decodes


def prepare_on_cluster(
    place: Workplace, data: Path, contract: Contract, entries: Sequence[Entry]
) -> Iterator[tuple[Entry, Row]]:
    """Prepare the files of some entries; yield what `Preparer` makes of each, in their order.

    Raises ClusterError.
    """
    job = PreparationJob(data.resolve(), contract, find_version(), list_optional_formats())
    team = Team(place.cluster, partial(prove_preparation, job))
    team.gather()
    place.print_refusals(team.list_refusals())
    shards = (
        entries[start : start + FILES_PER_SHARD]
        for start in range(0, len(entries), FILES_PER_SHARD)
    )
    with closing(team.map_in_order(partial(prepare_shard, job), shards)) as results:
        for result in results:
            yield from result


def prove_preparation(job: PreparationJob) -> str:
    """Check, on a worker, that it sees what this machine sees; return the reason if not, or ""."""
    if (here := find_version()) != job.version:
        return f"vedette {here} is installed, expected {job.version}"
    if (formats := list_optional_formats()) != job.formats:
        expected = ", ".join(job.formats) or "none"
        return f"it decodes {', '.join(formats) or 'no optional format'}, expected {expected}"
    if not job.data.is_dir():
        return f"{job.data}: not there; all machines need the photographs"
    keep_large_blocks()
    return ""


def prepare_shard(job: PreparationJob, entries: Sequence[Entry]) -> list[tuple[Entry, Row]]:
    """Prepare some files, on a worker."""
    with _alone, capture_messages() as messages:
        preparer = Preparer(job.data, job.contract, messages)
        rows = [preparer.prepare(entry) for entry in entries]
        return [(preparer.check_entry(entry), row) for entry, row in rows]

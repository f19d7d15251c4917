"""Preparation of image files on a Dask cluster: its workers read, check, hash and resize them."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from vedette_edge.cluster import CHECK_WORKER
from vedette_edge.errors import ClusterError, RemoteError
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.model.contract import Contract
from vedette_train.data.decoder_messages import capture_messages
from vedette_train.data.preparation import Entry, Preparer, Row, create_entry
from vedette_train.data.remote_folder import DataFolder, RemoteFolder, open_folder, read_file
from vedette_train.data.workplace import (
    PACKAGES,
    Versions,
    Workplace,
    list_versions,
    require_versions,
)

FILES_PER_SHARD = 16  # prepared by one worker before it takes others
TRIED = 16  # files of a server, to find one that can be read
VERSIONS_OF = (*PACKAGES, "pillow-heif")

_alone = Lock()  # the messages of decoders are those of the whole process


@dataclass(frozen=True, slots=True)
class PreparationJob:
    """A data folder, and all that its prepared images depend on."""

    data: DataFolder  # absolute
    contract: Contract
    versions: Versions
    picture: str = ""  # of a remote folder, one that the command can read


def prepare_on_cluster(
    place: Workplace, data: DataFolder, contract: Contract, entries: Sequence[Entry]
) -> Generator[tuple[Entry, Row] | None, None, None]:
    """Prepare the files of some entries; yield what `Preparer` makes of each, in their order.

    Yields None for a file that a worker sees otherwise than this machine. Raises ClusterError, and
    RemoteError.
    """
    files = (entry.file for entry in entries[:TRIED])
    picture = next((file for file in files if _is_readable(data, file)), "")
    job = PreparationJob(data.absolute(), contract, list_versions(VERSIONS_OF), picture)
    team = place.gather_team(partial(prove_preparation, job))
    starts = range(0, len(entries), FILES_PER_SHARD)
    shards = (entries[start : start + FILES_PER_SHARD] for start in starts)
    with closing(team.map_in_order(prepare_shard, shards)) as results:
        for result in results:
            yield from result


def _is_readable(data: DataFolder, file: str) -> bool:
    """True for a file of a remote folder that can be read."""
    try:
        return not isinstance(data, Path) and bool(read_file(data, file))
    except OSError:
        return False


def prove_preparation(job: PreparationJob) -> PreparationJob:
    """Get ready, on a worker. Raises VedetteError if it would prepare otherwise."""
    require_versions(job.versions)
    if isinstance(job.data, Path):
        if not job.data.is_dir():
            raise ClusterError(f"{job.data}: folder not found; all machines need the photographs")
    else:
        _require_server(job.data, job.picture)
    keep_large_blocks()
    return job


def _require_server(folder: RemoteFolder, picture: str) -> None:
    """Raise VedetteError if this worker cannot read a picture that the command can read."""
    try:
        open_folder(folder.url)  # needs an optional package
        if picture:
            read_file(folder, picture)
    except RemoteError as error:
        raise ClusterError(f"{error}; {CHECK_WORKER}") from error
    except OSError as error:
        raise ClusterError(
            f"{error.filename}: {error.strerror or error}; {CHECK_WORKER}"
        ) from error


def prepare_shard(job: PreparationJob, entries: Sequence[Entry]) -> list[tuple[Entry, Row] | None]:
    """Prepare some files, on a worker: None for one of another size or time, or unreadable here."""
    with _alone, capture_messages() as messages:
        preparer = Preparer(job.data, job.contract, messages)
        return [_prepare(preparer, entry) for entry in entries]


def _prepare(preparer: Preparer, entry: Entry) -> tuple[Entry, Row] | None:
    data = preparer.data
    if isinstance(data, Path) and create_entry(data, entry.file).stamp != entry.stamp:
        return None
    prepared, row = preparer.prepare(entry)
    return None if prepared.unopened else (preparer.check_entry(prepared), row)

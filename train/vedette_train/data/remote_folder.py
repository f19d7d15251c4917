"""Folders of photographs on servers: their place, their files, and their list as paths."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vedette_edge.files import read_bounded
from vedette_edge.images.sources import is_url, read_source

if TYPE_CHECKING:
    from vedette_edge.images.remote_lists import RemoteFile


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder in a bucket or on a web server."""

    url: str  # ends in /

    def __str__(self) -> str:
        return self.url

    def absolute(self) -> "RemoteFolder":
        """The folder itself, as pathlib's method for a path that is absolute."""
        return self

    resolve = absolute

    def list_files(self) -> "Iterator[RemoteFile]":
        """List all files. Raises OSError if there is no such folder, and RemoteError."""
        from vedette_edge.images import remote_lists  # imports an optional package

        return remote_lists.list_files(self.url)

    def join(self, file: str) -> str:
        """The URL of a file."""
        from vedette_edge.images import remote  # imports an optional package

        return remote.join_url(self.url, file)


DataFolder = Path | RemoteFolder


def open_folder(data: str | os.PathLike[str]) -> DataFolder:
    """The folder of photographs with a name: a path, or a URL.

    Raises SettingError for a URL that is not read, and where the package for that is missing.
    """
    name = os.fspath(data)
    if not is_url(name):
        return Path(name)
    from vedette_edge.images import remote  # imports an optional package

    return RemoteFolder(remote.check_folder_url(name))


def read_file(data: DataFolder, file: str) -> bytes:
    """Read a file of a folder. Raises OSError if it cannot be read, and RemoteError."""
    return read_bounded(data / file) if isinstance(data, Path) else read_source(data.join(file))


@dataclass(frozen=True, slots=True, eq=False)
class RemotePath:
    """A file or a folder in the list of a remote folder, with a few members of pathlib.Path."""

    folder: RemoteFolder  # the whole
    parts: tuple[str, ...] = ()  # within it
    children: "list[RemotePath] | None" = None  # None: a file

    def __str__(self) -> str:
        return self.folder.join("/".join(self.parts))

    @property
    def name(self) -> str:
        """The last part."""
        return self.parts[-1] if self.parts else ""

    def is_dir(self) -> bool:
        """True for a folder."""
        return self.children is not None

    def exists(self) -> bool:
        """True: it is in the list."""
        return True

    def iterdir(self) -> "Iterator[RemotePath]":
        """Files and folders in a folder."""
        return iter(self.children or ())


DataPath = Path | RemotePath


def build_tree(folder: RemoteFolder, names: Iterable[str]) -> RemotePath:
    """The list of a folder as paths, from the names of its files; a folder's name ends in /."""
    inside: dict[tuple[str, ...], list[RemotePath]] = {(): []}

    def list_children(parts: tuple[str, ...]) -> list[RemotePath]:
        if parts not in inside:
            inside[parts] = []
            list_children(parts[:-1]).append(RemotePath(folder, parts, inside[parts]))
        return inside[parts]

    for name in names:
        *outer, last = name.split("/")
        children = list_children(tuple(outer))
        if last:
            children.append(RemotePath(folder, (*outer, last)))
    return RemotePath(folder, (), inside[()])

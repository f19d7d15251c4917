"""The plug is pulled during and after the switch to another version.

An ext4 takes what is written, and a copy of its blocks is what a card would hold at that instant:
data that was not synced is missing, and mounting the copy replays the journal.
"""

import itertools
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.install.conftest import OFFLINE, start_service
from tests.install.userland import Userland

pytestmark = pytest.mark.timeout(1800)  # of which an emulated processor needs a good part
UNIT, SETTINGS = "etc/systemd/system/vedette.service", "etc/vedette/config.toml"
# Stand before the real commands. Once the new version is on the disk, each mv waits.
MV = """#!/bin/sh
[ ! -e /run/checked ] || { echo "$*" >/run/paused; read -r _ </run/continue; }
exec /usr/bin/mv "$@"
"""
SYNC = """#!/bin/sh
/usr/bin/sync "$@"
[ "$*" != "-f /opt/vedette" ] || touch /run/checked
"""


@contextmanager
def mounted(folder: Path, *what: str | Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *what, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs root and a loop device: {done.stderr}")
    try:
        yield folder
    finally:  # lazily, as the userland's own mounts go a little later
        subprocess.run(["umount", "--lazy", folder], check=True)


class Card:
    """A system whose files are written to an ext4, and what is on its blocks."""

    def __init__(self, layers: Sequence[Path], folder: Path, disk: Path) -> None:
        self._layers, self._folder, self._disk = layers, folder, disk
        self.pi = Userland(layers, disk / "userland", network=False)
        self._whole: dict[str, dict[bytes, str]] = {SETTINGS: {}, UNIT: {}}
        self._complete: set[str] = set()

    def know(self, version: str) -> None:
        """From now on, unit and settings as they are in this version's folder count as whole."""
        for place, known in self._whole.items():
            file = self.pi.path(f"/opt/vedette/{version}/{Path(place).name}")
            known[file.read_bytes()] = version

    def state(self, *, journal: bool = False) -> tuple[str, str, str]:
        """The versions of settings, unit and `current` if the power failed now; "" for none.

        `journal` writes the journal first, as any other program may: names are on the disk then,
        and their data only if synced.
        """
        if journal:
            with (self._disk / "other").open("w") as other:
                os.fsync(other)
        image, copy = self._folder / "disk.ext4", self._folder / "copy.ext4"
        begun = 0
        while begun != image.stat().st_mtime_ns:  # else it was written meanwhile
            begun = image.stat().st_mtime_ns
            subprocess.run(["cp", "--sparse=always", image, copy], check=True)
        with mounted(self._folder / "copy", "-o", "loop", copy) as upper:
            lower = ":".join(map(str, (upper / "userland/upper", *reversed(self._layers))))
            overlay = ("-t", "overlay", "-o", f"lowerdir={lower}", "overlay")
            with mounted(self._folder / "view", *overlay) as view:
                return self._judge(view)

    def _judge(self, view: Path) -> tuple[str, str, str]:
        settings, unit = (
            known.get((view / place).read_bytes(), "damaged") if (view / place).exists() else ""
            for place, known in self._whole.items()
        )
        link = view / "opt/vedette/current"
        current = str(link.readlink()) if link.is_symlink() else ""
        if current and current not in self._complete:
            model = (view / "etc/vedette/model.tflite").readlink()
            assert str(model) == "/opt/vedette/current/model.tflite"
            trees = [self.pi.path(f"/opt/vedette/{current}"), view / "opt/vedette" / current]
            compare: list[str | Path] = ["diff", "-rq", "--no-dereference", *trees]
            done = subprocess.run(compare, capture_output=True, text=True, check=False)
            assert done.stdout == ""
            self._complete.add(current)
        return settings, unit, current


@pytest.fixture
def card(layers: list[Path], tmp_path: Path) -> Iterator[Card]:
    """Vedette 1 is installed and runs, and nothing pauses yet."""
    with mounted(tmp_path / "blocks", "-t", "tmpfs", "tmpfs") as blocks:
        image = blocks / "disk.ext4"
        with image.open("wb") as file:
            file.truncate(1536 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        with mounted(blocks / "disk", "-o", "loop,discard", image) as disk:
            card = Card(layers, blocks, disk)
            with card.pi:
                start_service(card.pi)
                yield card


def install(
    card: Card, *arguments: str, new: str, wait_s: int = 180
) -> tuple[int, list[tuple[str, str, str]]]:
    """Run install.sh; give its exit code, and the states that a power cut could have left."""
    pi, states = card.pi, []
    pi.run("mkfifo", "/run/paused", "/run/continue")
    for name, text in (("sync", SYNC), ("mv", MV)):
        pi.path(f"/usr/local/sbin/{name}").write_text(text, "utf-8")
        pi.path(f"/usr/local/sbin/{name}").chmod(0o755)
    paused = os.open(pi.path("/run/paused"), os.O_RDONLY | os.O_NONBLOCK)
    command = [*pi.entered(VEDETTE_WAIT_S=str(wait_s)), *OFFLINE, *arguments]
    with subprocess.Popen(command) as running:
        try:
            while running.poll() is None:
                if not os.read(paused, 1000):
                    time.sleep(0.05)
                    continue
                card.know(new)
                states.append(card.state(journal=True))
                pi.path("/run/continue").write_text("\n", "utf-8")
        finally:
            running.kill()
    os.close(paused)
    states.append(card.state())
    return running.returncode, [state for state, _ in itertools.groupby(states)]


def test_the_plug_is_pulled_while_it_upgrades_and_goes_back(card: Card) -> None:
    card.know("1")
    with card.pi.path("/root/bundle/vedette/vedette.service").open("a", encoding="utf-8") as unit:
        unit.write("# of the next version\n")
    code, states = install(card, "--camera", "/dev/video9", new="2", wait_s=2)
    assert code == 1
    there = [("1", "1", "1"), ("2", "1", "1"), ("2", "2", "1"), ("2", "2", "2")]
    assert states == [*there, ("1", "2", "2"), ("1", "1", "2"), ("1", "1", "1")]


def test_the_plug_is_pulled_after_a_first_installation(card: Card) -> None:
    card.pi.run(*OFFLINE, "--uninstall")
    arguments = ("--model", "/root/colours.tflite", "--camera", "synthetic:640x480@30")
    code, states = install(card, *arguments, new="1")
    assert code == 0
    for wait_s in (3, 12):
        time.sleep(wait_s)
        states.append(card.state())
    done = ("1", "1", "1")
    assert states == [("", "", ""), ("1", "", ""), ("1", "1", ""), done, done, done]

"""A Debian to install into and to throw away: files, processes and mounts of its own.

Needs root and mmdebstrap, for another machine's programs qemu-user-static as well. The bare system
is made once and lies in build/install; what is written goes to a layer above it.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "install"
# What a Raspberry Pi's card has beforehand, as far as an installation meets it.
PACKAGES = "adduser ca-certificates openssh-server passwd procps python3 python3-numpy sudo"
NATIVE = "arm64" if os.uname().machine == "aarch64" else "amd64"

# LiteRT looks for the processor, and the emulator shows it this machine's: a Pi 4's, or for 32 bits
# a Pi 2's, instead. The emulator is told as well, since with its own choice, all that an Arm may
# have, scores differ.
CPUINFO = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: {}
CPU implementer\t: 0x41
CPU architecture: {}
CPU variant\t: 0x0
CPU part\t: {}
CPU revision\t: 3

"""
FEATURES_32 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae crc32"
PROCESSORS = {  # as the emulator calls them, and as the kernel tells of them
    "arm64": ("cortex-a72", CPUINFO.format("fp asimd evtstrm crc32 cpuid", 8, "0xd08")),
    "armhf": ("cortex-a7", CPUINFO.format(FEATURES_32, 7, "0xc07")),
}

# Becomes the first process of the userland, and reaps what it leaves behind.
FIRST = """
set -e
read -r pid _ </proc/self/stat
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" userland "$2/root"
cd "$2/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs run run
mount -t tmpfs sys sys
mkdir -p sys/devices/system/cpu
for cores in possible present online; do echo 0 >sys/devices/system/cpu/$cores; done
[ -z "$CPUINFO" ] || { printf %s "$CPUINFO" >run/cpuinfo; mount --bind run/cpuinfo proc/cpuinfo; }
cp --remove-destination -L /etc/resolv.conf etc/resolv.conf
[ -z "$3" ] || ip link set lo up
echo "$pid"
while sleep 60; do :; done
"""


class LackingError(Exception):
    """What this machine does not have."""


def bare(suite: str, architecture: str, packages: str = PACKAGES, build: Path = BUILD) -> Path:
    """The folder of a bare system. Raises LackingError where it cannot be had."""
    root = build / f"{suite}-{architecture}"
    if os.geteuid() != 0:
        raise LackingError("installing into a userland needs root")
    if not shutil.which("mmdebstrap"):
        raise LackingError("needs mmdebstrap: apt install mmdebstrap")
    if not root.exists():
        build.mkdir(parents=True, exist_ok=True)
        making = root.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        include = f"--include={packages.replace(' ', ',')}"
        kind = ["--quiet", "--variant=apt", f"--architectures={architecture}", include]
        kind.append('--aptopt=Acquire::Check-Valid-Until "false"')  # a mirror may be a past day's
        done = subprocess.run(
            ["mmdebstrap", *kind, suite, making, _mirror()],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LackingError(f"no {suite} for {architecture} here: {done.stderr[-300:]}")
        making.rename(root)
    return root


def _mirror() -> str:
    """This machine's own, if it is a Debian's: for the release alone, without its updates."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    known = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return next((one for one in known if one.endswith("/debian/")), "http://deb.debian.org/debian")


def connect(userland: "Userland") -> None:
    """The package index as this machine reaches it."""
    for known in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(known).exists():
            shutil.copy(known, userland.path(known))


def furnish(userland: "Userland") -> None:
    """A user as on a Pi, stand-ins for systemd's, the package index."""
    shutil.copy(HERE / "systemctl", userland.path("/usr/local/bin/systemctl"))
    journal = userland.path("/usr/local/bin/journalctl")
    journal.write_text("#!/bin/sh\ntail -n 5 /run/units/vedette.output\n", "utf-8")
    journal.chmod(0o755)
    connect(userland)
    userland.run("useradd", "--create-home", "--shell=/bin/bash", "--password=*", "pi")
    rights = "pi ALL=(ALL) NOPASSWD: ALL\n"
    userland.path("/etc/sudoers.d/pi").write_text(rights, "utf-8")


class Userland:
    """A system of layers, the uppermost last, that runs as long as it is entered."""

    def __init__(self, layers: Sequence[Path], folder: Path, *, network: bool = True) -> None:
        """`folder` takes what is written: its `upper` is a layer for another one."""
        foreign = PROCESSORS if os.uname().machine != "aarch64" else {}
        model, self._cpuinfo = foreign.get(layers[0].name.rpartition("-")[2], ("", ""))
        self.emulated = {"QEMU_CPU": model} if model else {}
        self.root, self.upper = folder / "root", folder / "upper"
        for name in ("root", "upper", "work"):
            (folder / name).mkdir(parents=True)
        lower = ":".join(map(str, reversed(layers)))
        own = ["--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
        first = ["bash", "-c", FIRST, "first", lower, str(folder), "" if network else "cut"]
        self._command = ["unshare", *own, "--propagation", "private", *first]

    def __enter__(self) -> "Userland":
        environment = os.environ | {"CPUINFO": self._cpuinfo}
        self._first = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._first.stdout
        self._pid = self._first.stdout.readline().strip()
        assert self._pid, "the userland did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._first.kill()
        self._first.communicate()

    def path(self, name: str) -> Path:
        """Where a file of the userland is to be found from outside."""
        return Path(f"/proc/{self._pid}/root{self.root}{name}")

    def beside(self, *command: str | Path) -> list[str]:
        """A command line of this machine's that is to use the network in here."""
        return ["nsenter", "--target", self._pid, "--net", *map(str, command)]

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command as root; standard error comes with its output."""
        return subprocess.run(
            [*self.entered(**environment), *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )

    def entered(self, **environment: str) -> list[str]:
        """What a command line begins with that is to run in here."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        settings = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"} | self.emulated | environment
        enter = ["nsenter", "--target", self._pid, "--mount", "--pid", "--net", "chroot", self.root]
        given = (f"{name}={value}" for name, value in settings.items())
        return [*map(str, enter), "env", "-i", *given]

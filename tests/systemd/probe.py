"""Tries what the unit permits and what it forbids; prints the results as JSON.

The result of an attempt is "" if it succeeds, or else the name of the error.
"""

import ctypes
import errno
import json
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PAGE = 4096
LIBC = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: int) -> int:
    """Call a function of the C library. Raises OSError if it returns -1."""
    function = getattr(LIBC, name)
    function.restype = ctypes.c_long
    if (result := function(*map(ctypes.c_long, arguments))) == -1:
        raise OSError(ctypes.get_errno(), name)
    return int(result)


def write(folder: str) -> None:
    """Create a file in a folder."""
    Path(folder, "probe").write_text("", "utf-8")


def execute_written_memory() -> None:
    """Make memory executable that was written before."""
    anonymous = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    page = call("mmap", 0, PAGE, mmap.PROT_READ | mmap.PROT_WRITE, anonymous, -1, 0)
    call("mprotect", page, PAGE, mmap.PROT_READ | mmap.PROT_EXEC)


def map_writable_code() -> None:
    """Map memory that is writable and executable."""
    mmap.mmap(-1, PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def open_socket(family: int) -> None:
    """Create a socket of a family."""
    kind = socket.SOCK_RAW if family == socket.AF_NETLINK else socket.SOCK_DGRAM
    socket.socket(family, kind).close()


def set_user_id_bit(folder: str) -> None:
    """Let a file run as its owner."""
    Path(folder, "probe").chmod(0o4755)


def open_device(name: str) -> None:
    """Open a device for reading."""
    os.close(os.open(name, os.O_RDONLY | os.O_NONBLOCK))


def run_program() -> None:
    """Run a program of the system."""
    subprocess.run(["/bin/true"], check=True)


def attempt(function: Callable[..., object], *arguments: object) -> str:
    """Return the name of the error, or the empty string."""
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def try_everything(logs: str, folders: list[str], files: list[str]) -> dict[str, dict[str, str]]:
    """Try it all; everybody else can write the folders and read the files."""
    namespaces = {"user": 0x10000000, "mount": 0x00020000, "network": 0x40000000}
    devices = ("null", "vcio", "video", "media", "heap", "disk")
    families = "AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_ALG".split()
    return {
        "write": {folder: attempt(write, folder) for folder in (logs, *folders)},
        "read": {name: attempt(Path(name).read_bytes) for name in files},
        "socket": {name: attempt(open_socket, getattr(socket, name)) for name in families},
        "device": {name: attempt(open_device, f"/dev/{name}") for name in devices},
        "namespace": {name: attempt(call, "unshare", flag) for name, flag in namespaces.items()},
        "memory": {
            "written, then executed": attempt(execute_written_memory),
            "written and executed": attempt(map_writable_code),
        },
        "privilege": {
            "set-user-ID bit": attempt(set_user_id_bit, logs),
            **dict(line.split(":\t") for line in status() if line.startswith(("Cap", "NoNew"))),
            "user": str(os.getuid()),
        },
        "process": {
            "1": attempt(Path("/proc/1/cmdline").read_bytes),
            "program": attempt(run_program),
        },
    }


def status() -> list[str]:
    """Read the status of this process in /proc."""
    return Path("/proc/self/status").read_text("utf-8").splitlines()


def main(logs: str, folders: str, files: str) -> None:
    """Write the results into the folder of logs; `folders` and `files` are separated by colons."""
    result = try_everything(logs, folders.split(":"), files.split(":"))
    Path(logs, "result.json").write_text(json.dumps(result), "utf-8")


main(*sys.argv[1:])

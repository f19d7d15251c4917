"""The memory of large pictures is kept, so the kernel need not fill it with zeros for each one."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from vedette_edge.images.large_blocks import keep_large_blocks

def read_resident_mb():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) // 1024

if sys.argv[1] == "kept":
    keep_large_blocks()
before = read_resident_mb()
image = np.ones((3000, 4000, 3), np.uint8)
del image
print(read_resident_mb() - before)
"""


def measure_rest_mb(mode: str) -> int:
    """Measure how much memory a process keeps of a picture of 12 megapixels, which takes 34 MB."""
    command = [sys.executable, "-c", SCRIPT, mode]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps them")
def test_the_memory_of_a_picture_is_kept_for_the_next() -> None:
    assert measure_rest_mb("returned") < 10 < 30 <= measure_rest_mb("kept")

"""The memory of large pictures is kept, and so the kernel does not fill it with zeros each time."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from vedette_edge.images.large_blocks import keep_large_blocks

if sys.argv[1] == "kept":
    keep_large_blocks()
for turn in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.full((3000, 4000, 3), turn, np.uint8)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


def count_faults(mode: str) -> int:
    """Count the pages that the kernel hands out for the third picture of 12 megapixels."""
    command = [sys.executable, "-c", SCRIPT, mode]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc keeps them"
)
def test_a_picture_takes_the_memory_of_the_one_before() -> None:
    assert count_faults("kept") < 100 < count_faults("returned")

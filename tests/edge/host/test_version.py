"""The version, installed or not."""

import re
import subprocess
import sys

from vedette_edge.host import version


def test_the_version_is_that_of_the_package_or_0() -> None:
    assert re.fullmatch(r"0|\d+(\.\d+)+\w*", version.read_version())


def test_where_vedette_is_not_installed_it_is_0() -> None:
    code = "import runpy, sys; print(runpy.run_path(sys.argv[1])['read_version']())"
    command = [sys.executable, "-I", "-S", "-c", code, version.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"

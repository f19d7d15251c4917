"""What lies at the root keeps its promises: no addresses, no strays, nothing foreign."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FROM_APT = ("constraints-bookworm-armv7l.txt", "numpy")
CONSTRAINTS = [ROOT / "constraints.txt", *sorted((ROOT / "edge").glob("constraints-*.txt"))]


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda path: path.name)
def test_constraints_are_names_versions_and_hashes_alone(path: Path) -> None:
    """The Pis' have a hash for each package that comes from the package index."""
    text = path.read_text(encoding="utf-8").replace(" \\\n    ", " ")
    for line in text.splitlines():
        pinned = re.fullmatch(r"([\w.-]+)==[\w.+]+((?: --hash=sha256:[0-9a-f]{64})*)", line)
        assert line.startswith("#") or pinned, line
        if pinned and path != CONSTRAINTS[0]:
            assert pinned[2] or (path.name, pinned[1]) == FROM_APT, line


def test_no_pi_gets_an_opencv_that_a_forged_jpeg_2000_can_take_over() -> None:
    """CVE-2025-53644: 4.10.0 and 4.11.0."""
    pins = "".join(path.read_text(encoding="utf-8") for path in CONSTRAINTS)
    assert len(re.findall(r"^opencv-python-headless==", pins, re.MULTILINE)) >= 3
    assert not re.search(r"^opencv-python-headless==4\.1[01]\.", pins, re.MULTILINE)


def test_the_edge_loads_nothing_of_the_workstation() -> None:
    """import-linter reads the imports; this runs them, those of other packages included."""
    code = (
        "import sys, pkgutil, importlib, vedette_edge as edge\n"
        "for found in pkgutil.walk_packages(edge.__path__, 'vedette_edge.'):\n"
        "    importlib.import_module(found.name)\n"
        "print([name for name in ('tensorflow', 'keras', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_library_loads_tensorflow_only_to_train_and_to_convert() -> None:
    code = (
        "import sys, vedette_train, vedette_convert\n"
        "vedette_train.train, vedette_convert.convert, vedette_convert.ExternalModel\n"
        "vedette_train.TrainConfig(), vedette_convert.ConvertConfig()\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_pi_is_given_what_decodes_heic() -> None:
    for path in (*(ROOT / "edge").glob("constraints-*.txt"), *(ROOT / "edge").glob("*.sh")):
        text = path.read_text(encoding="utf-8").lower()
        assert "heif" not in text, path.name
    assert "pillow-heif==" in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_make_help_explains_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for target in phony[1].split():
        assert re.search(rf"^  make {target} +\S", shown, re.MULTILINE), target

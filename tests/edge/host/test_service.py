"""The service's unit: systemd accepts it, and little is exposed. tests/systemd/ runs it."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "edge" / "vedette.service"

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a command that is there."""
    path = tmp_path / "vedette.service"
    path.write_text(
        UNIT.read_text("utf-8").replace("/opt/vedette/current/bin/vedette", "/bin/true"), "utf-8"
    )
    return path


def analyzed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd
def test_systemd_accepts_the_unit(unit: Path) -> None:
    done = analyzed("verify", "--man=no", "--recursive-errors=yes", unit)
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text("utf-8") + "Wanted=by nobody\n", "utf-8")
    assert analyzed("verify", "--man=no", "--recursive-errors=yes", unit).stderr


@needs_systemd
def test_newer_systemds_accept_that_its_pauses_grow(unit: Path) -> None:
    version = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.split()[1]) < 254:
        pytest.skip("this systemd knows no growing pauses (254 and newer do)")
    shutil.copytree(UNIT.with_name("vedette.service.d"), unit.with_name("vedette.service.d"))
    done = analyzed("verify", "--man=no", "--recursive-errors=yes", unit)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_its_exposure_is_2_or_better(unit: Path) -> None:
    done = analyzed("security", "--offline=true", "--threshold=20", unit)
    assert done.returncode == 0, done.stdout
    assert analyzed("security", "--offline=true", "--threshold=10", unit).returncode != 0

"""The units: systemd accepts them, and little is exposed. tests/systemd/ runs them."""

import shutil
import subprocess
from pathlib import Path

import pytest

EDGE = Path(__file__).parents[3] / "edge"

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)


@pytest.fixture(params=["vedette.service", "vedette-on@.service"])
def unit(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A unit with a command that is there."""
    name: str = request.param
    path, text = tmp_path / name, (EDGE / name).read_text("utf-8")
    path.write_text(text.replace("/opt/vedette/current/bin/vedette", "/bin/true"), "utf-8")
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
@pytest.mark.parametrize("unit", ["vedette.service"], indirect=True)
def test_newer_systemds_accept_that_its_pauses_grow(unit: Path) -> None:
    version = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.split()[1]) < 254:
        pytest.skip("this systemd knows no growing pauses (254 and newer do)")
    shutil.copytree(EDGE / "vedette.service.d", unit.with_name("vedette.service.d"))
    done = analyzed("verify", "--man=no", "--recursive-errors=yes", unit)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_its_exposure_is_2_or_better(unit: Path) -> None:
    done = analyzed("security", "--offline=true", "--threshold=20", unit)
    assert done.returncode == 0, done.stdout
    assert analyzed("security", "--offline=true", "--threshold=10", unit).returncode != 0

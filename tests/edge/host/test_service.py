"""The units: systemd accepts them, and little is exposed. tests/systemd/ runs them."""

import shutil
import subprocess
from pathlib import Path

import pytest

EDGE = Path(__file__).parents[3] / "edge"

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)


@pytest.fixture(params=["vedette.service", "vedette-on@.service", "vedette-page.service"])
def unit(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A unit with a command that is there, and what it requires."""
    name: str = request.param
    shutil.copy(EDGE / "vedette-page.socket", tmp_path)
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
@pytest.mark.parametrize("unit", ["vedette-page.service"], indirect=True)
def test_a_drop_in_opens_the_page_to_the_network(tmp_path: Path, unit: Path) -> None:
    socket = tmp_path / "vedette-page.socket"
    shutil.copytree(EDGE / "vedette-page.socket.d", tmp_path / "vedette-page.socket.d")
    done = analyzed("verify", "--man=no", "--recursive-errors=yes", unit, socket)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_its_exposure_is_2_or_better_and_that_of_the_page_1(unit: Path) -> None:
    most, least = (10, 5) if unit.name == "vedette-page.service" else (20, 10)
    done = analyzed("security", "--offline=true", f"--threshold={most}", unit)
    assert done.returncode == 0, done.stdout
    assert analyzed("security", "--offline=true", f"--threshold={least}", unit).returncode != 0

"""install.sh in a Debian of its own, with a stand-in for systemctl that really starts the unit."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.install.conftest import (
    ARCHITECTURE,
    INSTALL,
    OFFLINE,
    SETTINGS,
    SUITE,
    current,
    prepare,
    running,
)
from tests.install.userland import Userland

pytestmark = pytest.mark.timeout(1800)  # of which an emulated processor needs a good part


def test_a_fresh_system_ends_with_a_first_label(
    installation: tuple[Path, str], pi: Userland
) -> None:
    assert "First label: red (1.00)\n" in installation[1]
    assert "for another apt" in installation[1]
    assert running(pi).endswith("vedette")
    back_off = pi.path("/etc/systemd/system/vedette.service.d/back-off.conf")
    assert back_off.exists() == (SUITE != "bookworm")  # whose systemd does not know it
    assert "red" in pi.run("vedette", "log", "--event", "change").stdout
    forbidden = pi.run("su", "pi", "-c", "vedette check --config /etc/vedette/config.toml")
    assert "Permission denied" in forbidden.stdout


def test_numpy_stays_as_apt_has_it(pi: Userland) -> None:
    script = "import cv2, numpy; print(numpy.__file__, cv2.__file__)"
    found = pi.run("/opt/vedette/current/bin/python", "-c", script).stdout.split()
    assert found[0].startswith("/usr/lib/python3/dist-packages/")
    assert found[1].startswith("/usr" if ARCHITECTURE == "armhf" else "/opt/vedette/current/")
    checked = pi.run("/opt/vedette/current/bin/pip", "check")
    assert checked.returncode == 0, checked.stdout


def test_whichever_numpy_apt_has_is_asked_of_pip(pi: Userland) -> None:
    """Here there is none such to be had, so it says so."""
    query = pi.path("/usr/local/bin/dpkg-query")
    query.write_text(
        '#!/bin/sh\n/usr/bin/dpkg-query "$@" | sed "s/^1:[.0-9]*/1:1.25.7/"\n', "utf-8"
    )
    query.chmod(0o755)
    done = pi.run(*OFFLINE)
    assert done.returncode == 1
    assert "numpy==1.25.7" in done.stdout
    assert current(pi) == "1"


def test_a_wheel_that_is_not_the_tested_one_is_not_installed(pi: Userland) -> None:
    wheel = next(pi.path("/root/bundle/vedette/wheels").glob("mdurl-*.whl"))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("mdurl/more.py", "")
    done = pi.run(*OFFLINE)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stdout
    assert current(pi) == "1"


def test_wheels_for_another_system_change_nothing(pi: Userland) -> None:
    pi.path("/root/bundle/vedette/wheels/SYSTEM").write_text("trixie-armhf\n", "utf-8")
    done = pi.run(*OFFLINE)
    assert done.returncode == 1
    assert "these wheels are for trixie-armhf" in done.stdout
    assert "The installed version continues" in done.stdout


def test_what_it_cannot_install_on_it_names(bare_pi: Userland) -> None:
    def said(*command: str) -> str:
        done = bare_pi.run(*command)
        assert done.returncode == 1
        return done.stdout

    assert "'--modle'" in said(*INSTALL, "--modle", "x")
    assert "/nowhere: file not found" in said(*INSTALL, "--model", "/nowhere")
    assert "--camera needs a value" in said(*INSTALL, "--camera")
    bare_pi.run("cp", INSTALL[1], "/tmp/install.sh")
    assert "as root" in said("su", "pi", "-c", "sh /tmp/install.sh")
    release = bare_pi.path("/etc/os-release")
    release.unlink()
    release.write_text('PRETTY_NAME="Debian 11"\nVERSION_CODENAME=bullseye\n', "utf-8")
    assert "this is Debian 11 (bullseye-" in said(*INSTALL)
    assert not bare_pi.path("/opt/vedette").exists()


def test_unusual_arguments_and_settings(bare_pi: Userland) -> None:
    prepare(bare_pi)
    bare_pi.path("/etc/vedette/config.toml").write_text(SETTINGS, "utf-8-sig")
    bare_pi.run("cp", "/root/colours.tflite", "/root/-x.tflite")

    def said(camera: str) -> str:
        command = 'cd /root && exec sh vedette/install.sh --model -x.tflite --camera "$1"'
        done = bare_pi.run("sh", "-c", command, "sh", camera, CDPATH="/srv:/root")
        assert done.returncode == 1
        return done.stdout

    for camera in ("caf\udce9", "caf\x7f"):
        text = said(camera)
        assert "--camera has a control character or is not UTF-8" in text
        assert "Traceback" not in text
    odd = 'model = "/srv/\\u001b[2J"\ncamera = "/dev/\\u009b2J\\u0007\\nModel fake"\n'
    bare_pi.path("/etc/vedette/config.toml").write_text(odd, "utf-8")
    done = bare_pi.run(*INSTALL)
    assert "Model /srv/?[2J, camera /dev/?2J??Model fake\n" in done.stdout
    bare_pi.path("/etc/vedette/config.toml").write_text(SETTINGS, "utf-8")
    for camera in ("rtsp:/me:hunter2@cam", "me:hunter2@cam"):
        text = said(camera)
        assert "camera ...\n" in text
        assert "hunter2" not in text
        assert "cannot install python3-venv" in text


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_accepts_the_unit_where_it_is_installed(pi: Userland) -> None:
    units = "/usr/lib/systemd/system"  # as this machine's systemd knows them
    shutil.rmtree(pi.path(units), ignore_errors=True)
    shutil.copytree(units, pi.path(units), symlinks=True)
    shutil.rmtree(pi.path("/etc/systemd/system/vedette.service.d"), ignore_errors=True)
    verify = ["systemd-analyze", f"--root={pi.path('')}", "verify"]
    arguments = ["--man=no", "--recursive-errors=yes", "vedette.service"]
    done = subprocess.run([*verify, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    pi.path("/opt/vedette/current").unlink()
    done = subprocess.run([*verify, *arguments], capture_output=True, text=True, check=False)
    assert "/opt/vedette/current/bin/vedette is not executable" in done.stderr

"""install.sh --uninstall, and its lock."""

import subprocess
from pathlib import Path

import pytest
from tests.install.conftest import INSTALL, OFFLINE, running, settings
from tests.install.userland import Userland

pytestmark = pytest.mark.timeout(1800)  # of which an emulated processor needs a good part


def test_uninstalling_leaves_the_logs_and_makes_room_for_another(pi: Userland) -> None:
    pi.run("usermod", "--append", "--groups", "vedette", "pi")
    pi.path("/var/lib/vedette/probed").mkdir(parents=True)  # as systemd and the service do
    done = pi.run("sh", "/opt/vedette/current/install.sh", "--uninstall")
    assert done.returncode == 0, done.stdout
    unit = "/etc/systemd/system/vedette.service"
    for gone in ("/opt/vedette", "/etc/vedette", "/var/lib/vedette", unit):
        assert not pi.path(gone).exists()
    assert not pi.path("/usr/local/bin/vedette").is_symlink()
    assert pi.run("getent", "passwd", "vedette").returncode
    assert pi.path("/var/log/vedette/watch.jsonl").exists()
    assert pi.run(*INSTALL, "--uninstall").returncode == 0
    model = ("--model", "/root/colours.tflite")
    done = pi.run(*OFFLINE, *model, "--camera", "/dev/video9", VEDETTE_WAIT_S="4")
    assert done.returncode == 1
    assert "installed, and keeps trying" in done.stdout
    assert pi.path("/etc/systemd/vedette.enabled").exists()
    assert running(pi)
    done = pi.run(*OFFLINE, "--camera", "synthetic:640x480@30")
    assert done.returncode == 0, done.stdout


def test_uninstalling_keeps_snapshots_and_commands_even_if_the_broker_does_not_answer(
    pi: Userland,
) -> None:
    broker = 'mqtt = "mqtt://me:hunter2@127.0.0.1:1"\nmqtt-id = "door-pi"\n'
    pi.path("/etc/vedette/config.toml").write_text(settings(pi) + broker, "utf-8")
    picture, horn = "/var/lib/vedette/snapshots/red.jpg", "/etc/vedette/on.d/horn"
    wants = "/etc/systemd/system/multi-user.target.wants"
    drop_in = "/etc/systemd/system/vedette-on@horn.service.d/override.conf"
    secret, link = "/etc/vedette/mqtt-password", f"{wants}/vedette-on@horn.service"
    for name in (picture, horn, drop_in, secret, "/var/lib/vedette/settings.json"):
        pi.path(name).parent.mkdir(parents=True, exist_ok=True)
        pi.path(name).touch()
    pi.run("chown", "-R", "vedette:", "/var/lib/vedette")
    pi.path(wants).mkdir(exist_ok=True)
    pi.path(link).symlink_to("/etc/systemd/system/vedette-on@.service")
    done = pi.run("sh", "/opt/vedette/current/install.sh", "--uninstall")
    assert done.returncode == 0, done.stdout
    assert "nothing listens" in done.stdout
    assert "vedette mqtt remove --mqtt mqtt://127.0.0.1:1 --mqtt-id door-pi" in done.stdout
    assert "hunter2" not in done.stdout
    assert "the snapshots in /var/lib/vedette/snapshots, your commands in /etc/vedette/on.d" in (
        done.stdout
    )
    kept = "find /var/lib/vedette /etc/vedette -type f -printf '%p %U\n'"
    assert pi.run("sh", "-c", kept).stdout == f"{picture} 0\n{horn} 0\n"
    assert not pi.run("sh", "-c", "find /etc/systemd/system -name 'vedette*'").stdout
    assert pi.run("stat", "-c", "%U", "/var/lib/vedette").stdout == "root\n"


def test_uninstalling_follows_links_and_leaves_what_is_not_its_own(bare_pi: Userland) -> None:
    bare_pi.run("useradd", "--system", "vedette")
    links = {
        "/opt/vedette": "1/model.tflite",
        "/etc/vedette": "config.toml",
        "/var/lib/vedette": "probed/a",
        "/var/log/vedette": "watch.jsonl",
    }
    for link, name in links.items():
        disk = Path("/srv", *Path(link).parts[1:])
        for file in (disk / name, disk / "photographs" / "mine.jpg"):
            bare_pi.path(str(file)).parent.mkdir(parents=True, exist_ok=True)
            bare_pi.path(str(file)).touch()
        bare_pi.run("ln", "-s", disk, link)
    bare_pi.run("ln", "-s", "/home/pi", "/srv/var/log/vedette/home")
    bare_pi.run("chown", "-R", "vedette:", "/srv/var")
    done = bare_pi.run(*INSTALL, "--uninstall")
    assert done.returncode == 0, done.stdout
    found = bare_pi.run(
        "find", "/srv", "-type", "f", "!", "-name", "mine.jpg", "-printf", "%p %u"
    ).stdout
    assert found == "/srv/var/log/vedette/watch.jsonl root"
    assert len(list(bare_pi.path("/srv").rglob("mine.jpg"))) == len(links)
    assert (
        bare_pi.run("stat", "-c", "%U", "/srv/var/log/vedette", "/home/pi").stdout == "root\npi\n"
    )


def test_only_root_can_hold_the_lock(bare_pi: Userland) -> None:
    bare_pi.run("chmod", "755", "/run")
    bare_pi.run("mkdir", "-m", "1777", "/run/lock")

    def said(user: str, lock: str) -> str:
        hold = f"flock {lock} sh -c 'echo held; read ended'"
        command = [*bare_pi.entered(), "su", user, "-c", hold]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
            assert holder.stdout
            holder.stdout.readline()
            return bare_pi.run(*INSTALL, "--uninstall").stdout

    assert "Removing Vedette" in said("pi", "/run/lock/vedette-install")
    assert "Removing Vedette" in said("pi", "/run/vedette-install.lock")
    assert "another installation is running" in said("root", "/run/vedette-install.lock")

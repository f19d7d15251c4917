"""install.sh in a Debian of its own, with a stand-in for systemctl that really starts the unit."""

import shutil
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.install.conftest import ARCHITECTURE, MODEL, SETTINGS
from tests.install.userland import Userland

pytestmark = pytest.mark.timeout(1800)  # of which an emulated processor needs a good part
INSTALL = ("sh", "/root/vedette/install.sh")
OFFLINE = ("sh", "/root/bundle/vedette/install.sh")


def current(pi: Userland) -> str:
    """The version that is to run."""
    return pi.run("readlink", "/opt/vedette/current").stdout.strip()


def running(pi: Userland) -> str:
    """The process that is the service: its number and its user."""
    number = pi.path("/run/units/vedette.pid").read_text("utf-8").strip()
    return pi.run("ps", "--no-headers", "-o", "pid,user", "-p", number).stdout.strip()


def settings(pi: Userland) -> str:
    return pi.path("/etc/vedette/config.toml").read_text("utf-8")


def test_a_fresh_system_ends_with_a_first_label(
    installation: tuple[Path, str], pi: Userland
) -> None:
    assert "First label: red (1.00)\n" in installation[1]
    assert "for another apt" in installation[1]
    assert running(pi).endswith("vedette")
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


def test_running_it_again_upgrades_without_a_network(pi: Userland) -> None:
    before, mine = running(pi), settings(pi)
    ancient, unfinished = pi.path("/opt/vedette/5"), pi.path("/opt/vedette/7")
    pi.path("/opt/vedette/1.bak").mkdir()
    ancient.mkdir()
    (ancient / "checked").touch()
    unfinished.mkdir()
    done = pi.run(*OFFLINE)
    assert done.returncode == 0, done.stdout
    assert "First label: red" in done.stdout
    assert current(pi) == "8"
    assert running(pi) != before
    assert settings(pi) == mine
    assert pi.path("/opt/vedette/1").exists()
    assert pi.path("/opt/vedette/8/docs/raspberry-pi.md").exists()
    assert pi.path("/opt/vedette/1.bak").exists()  # somebody's own
    assert not ancient.exists()
    assert not unfinished.exists()


def test_a_damaged_model_leaves_the_old_version_running(pi: Userland) -> None:
    """Nor can it type commands into root's terminal, or a camera's password be read there."""
    before, runuser = running(pi), pi.path("/usr/local/sbin/runuser")
    runuser.write_text(
        "#!/bin/sh\n(: </dev/tty) 2>/dev/null && echo yes >/run/has-terminal\n"
        '/usr/sbin/runuser "$@"\n',
        "utf-8",
    )
    runuser.chmod(0o755)
    camera = "rtsp://me:hunter2@cam:554/password=hunter2?p=hunter2"
    command = " ".join([*OFFLINE, "--model", "/root/damaged.tflite", "--camera", camera])
    done = pi.run("script", "-qec", command, "/dev/null")
    assert done.returncode == 1
    assert not pi.path("/run/has-terminal").exists()
    assert "camera rtsp://cam:554\n" in done.stdout
    assert "hunter2" not in done.stdout
    assert "the check failed" in done.stdout
    assert "The installed version continues" in done.stdout
    assert (current(pi), running(pi)) == ("1", before)
    assert 'camera = "/srv/camera"' in settings(pi)
    assert not pi.path("/opt/vedette/2").exists()


def test_a_setting_that_is_wrong_is_named_before_anything_changes(pi: Userland) -> None:
    before, good = running(pi), settings(pi)

    def said(text: str) -> str:
        pi.path("/etc/vedette/config.toml").write_text(text, "latin-1")
        done = pi.run(*OFFLINE)
        assert done.returncode == 1
        assert (current(pi), running(pi)) == ("1", before)
        return done.stdout

    wrong = said(good + 'smooting = 2.0\nregion = ["door"]\n')
    assert "'smooting'" in wrong
    assert "'door'" in wrong
    assert "names no camera" in said(good.replace("camera =", "# camera ="))
    assert "names no model" in said(good.replace("model =", "# model ="))
    assert "cannot read /etc/vedette/config.toml" in said(good + "# für mich\n")


def test_without_a_label_it_goes_back_to_the_old_version(pi: Userland) -> None:
    """Also where links lead to another disk, and where `current` is an absolute one."""
    pi.run("mv", "/opt/vedette", "/srv/disk")
    pi.run("ln", "-s", "/srv/disk", "/opt/vedette")
    pi.run("ln", "-sfn", "/opt/vedette/1", "/opt/vedette/current")
    unit = pi.path("/etc/systemd/system/vedette.service")
    before = unit.read_bytes()
    with pi.path("/root/bundle/vedette/vedette.service").open("a", encoding="utf-8") as new:
        new.write("# of the next version\n")
    mine = settings(pi) + "heartbeat = 30.0\n"
    pi.path("/etc/vedette/config.toml").write_text(mine, "utf-8")
    done = pi.run(*OFFLINE, "--camera", "/dev/video9", VEDETTE_WAIT_S="8")
    assert done.returncode == 1
    assert "no label within 8 s" in done.stdout
    assert "/dev/video9" in done.stdout
    assert "lost" in done.stdout  # as the journal has it
    assert "restarted the previous version" in done.stdout
    assert current(pi) == "1"
    assert settings(pi) == mine
    assert unit.read_bytes() == before
    assert running(pi)
    kept = {"1", "current"}
    assert {found.name for found in pi.path("/srv/disk").iterdir()} == kept


@pytest.mark.parametrize("ended", [signal.SIGHUP, signal.SIGQUIT])
def test_a_connection_that_is_lost_before_the_label_leaves_the_old_version(
    pi: Userland, ended: signal.Signals
) -> None:
    mine = settings(pi)
    lost = subprocess.Popen(
        [*pi.entered(), *OFFLINE, "--camera", "/dev/video9"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(ended, signal.SIG_DFL),  # nohup leaves it ignored
    )
    with lost:
        assert lost.stdout
        assert lost.stderr
        assert any("for the first label" in line for line in lost.stdout)
        assert current(pi) == "2"
        lost.stdout.close()
        pi.run("pkill", f"-{ended.value}", "-f", OFFLINE[1])
        said = lost.stderr.read()
    assert lost.returncode
    assert "no label within" not in said
    assert (current(pi), settings(pi)) == ("1", mine)
    assert running(pi)


def test_a_log_that_is_seldom_written_hides_no_label(pi: Userland) -> None:
    text = settings(pi).replace("log-flush = 0.2", "log-flush = 300.0")
    pi.path("/etc/vedette/config.toml").write_text(text, "utf-8")
    done = pi.run(*OFFLINE)
    assert done.returncode == 0, done.stdout
    assert "First label: red" in done.stdout


def test_a_model_put_there_by_hand_stays_and_may_be_of_another_tool(pi: Userland) -> None:
    place, whole = pi.path("/etc/vedette/model.tflite"), MODEL.read_bytes()
    graph = whole[: whole.index(b"PK\x03\x04")].replace(b"VEDETTE", b"NOBODYS")
    place.unlink()
    place.write_bytes(graph)
    pi.path("/srv/labels.txt").write_text("red\ngreen\nblue\n", "utf-8")
    mine = settings(pi) + 'labels = "/srv/labels.txt"\n'
    pi.path("/etc/vedette/config.toml").write_text(mine, "utf-8")
    done = pi.run(*OFFLINE)
    assert done.returncode == 0, done.stdout
    assert "another tool" in done.stdout
    assert "First label: red" in done.stdout
    assert pi.path("/opt/vedette/2/model.tflite").read_bytes() == graph
    assert pi.path("/opt/vedette/1/model.tflite").read_bytes() == graph  # should it go back


def test_a_model_elsewhere_is_used_where_it_is(pi: Userland) -> None:
    text = settings(pi).replace("/etc/vedette/model.tflite", "/srv/mine.tflite")
    pi.path("/etc/vedette/config.toml").write_text(text, "utf-8")
    pi.path("/srv/mine.tflite").write_bytes(MODEL.read_bytes())
    done = pi.run(*OFFLINE, "--model", "/root/colours.tflite")
    assert "names another model, /srv/mine.tflite" in done.stdout
    done = pi.run(*OFFLINE)
    assert done.returncode == 0, done.stdout
    assert "Model /srv/mine.tflite" in done.stdout
    assert not pi.path("/opt/vedette/2/model.tflite").exists()


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


def prepare(bare_pi: Userland) -> None:
    """Settings, and an apt that ends each installation soon."""
    for name in ("apt-get", "apt-cache"):
        bare_pi.path(f"/usr/local/bin/{name}").write_text("#!/bin/sh\nexit 1\n", "utf-8")
        bare_pi.path(f"/usr/local/bin/{name}").chmod(0o755)
    bare_pi.path("/etc/vedette").mkdir()
    bare_pi.path("/etc/vedette/config.toml").write_text(SETTINGS, "utf-8")


def test_no_folder_of_another_version_or_of_somebody_is_taken_over(bare_pi: Userland) -> None:
    """Also where /opt/vedette is a link, as the card is too small."""
    prepare(bare_pi)
    bare_pi.run("mkdir", "-p", "/srv/disk/1", "/srv/disk/08", "/srv/disk/20261126")
    bare_pi.run("touch", "/srv/disk/1/checked")
    bare_pi.run("ln", "-s", "1", "/srv/disk/current")
    bare_pi.run("ln", "-s", "/srv/disk", "/opt/vedette")
    done = bare_pi.run(*INSTALL)
    assert done.returncode == 1
    assert "Illegal number" not in done.stdout
    assert "no model yet" in done.stdout
    assert "The installed version continues" in done.stdout
    kept = {"1", "08", "20261126", "current"}
    assert {found.name for found in bare_pi.path("/srv/disk").iterdir()} == kept
    assert bare_pi.path("/srv/disk/1/checked").exists()
    bare_pi.run("rm", "/srv/disk/current")
    bare_pi.run("mkdir", "/srv/disk/current")
    assert "current is a file or folder, expected a link" in bare_pi.run(*INSTALL).stdout


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
    for camera in ("rtsp:/me:hunter2@cam", "me:hunter2@cam"):
        text = said(camera)
        assert "camera ...\n" in text
        assert "hunter2" not in text
        assert "cannot install python3-venv" in text


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

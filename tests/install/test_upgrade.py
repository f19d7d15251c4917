"""install.sh where a version is installed: an upgrade, or the old version continues."""

import signal
import subprocess

import pytest
from tests.install.conftest import INSTALL, MODEL, OFFLINE, current, prepare, running, settings
from tests.install.userland import Userland

pytestmark = pytest.mark.timeout(1800)  # of which an emulated processor needs a good part


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


def test_a_current_version_that_was_removed_is_replaced(pi: Userland) -> None:
    pi.run("systemctl", "stop", "vedette")
    pi.run("rm", "-r", "/opt/vedette/1")
    gone = "/opt/vedette/current leads to version 1, which is gone"
    done = pi.run(*OFFLINE)
    assert done.returncode == 1
    assert gone in done.stdout
    assert "no model yet: add --model FILE" in done.stdout
    assert "Vedette was not installed" in done.stdout
    pi.run("mkdir", "-p", "/opt/vedette")
    pi.run("ln", "-s", "1", "/opt/vedette/current")
    done = pi.run(*OFFLINE, "--model", "/root/colours.tflite")
    assert done.returncode == 0, done.stdout
    assert gone in done.stdout
    assert "First label: red" in done.stdout
    pi.run("rm", "-r", "/opt/vedette/1")
    assert pi.run(*OFFLINE, "--uninstall").returncode == 0
    assert not pi.path("/opt/vedette").exists()


def test_ctrl_c_ends_the_self_test(pi: Userland) -> None:
    before, runuser = running(pi), pi.path("/usr/local/sbin/runuser")
    runuser.write_text("#!/bin/sh\ntouch /run/checking\nsleep 12345\n", "utf-8")
    runuser.chmod(0o755)
    interrupted = subprocess.Popen(
        [*pi.entered(), *OFFLINE],
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pi.run("sh", "-c", "until [ -e /run/checking ]; do sleep 0.1; done")
    pi.run("pkill", "-INT", "-f", OFFLINE[1])
    said = interrupted.communicate(timeout=600)[0]
    assert interrupted.returncode == 130
    assert "The installed version continues" in said
    assert (current(pi), running(pi)) == ("1", before)
    assert pi.run("pgrep", "-f", "sleep 12345").returncode == 1

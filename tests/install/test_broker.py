"""install.sh and a broker: its URL, and its password, which nobody may see."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import pytest
from tests.install.conftest import INSTALL, OFFLINE, current, prepare, running, settings
from tests.install.userland import Userland

pytestmark = pytest.mark.timeout(1800)  # of which an emulated processor needs a good part
FILE = "/etc/vedette/mqtt-password"
SECRET = token_hex(8)  # which no other process of this machine names
AWAY = "mqtt://me@127.0.0.1:1"  # nothing listens there
NAMED = f'mqtt-password-file = "{FILE}"'


@contextmanager
def seen_by_all() -> Iterator[set[bytes]]:
    """Collect the command lines of all processes meanwhile, as `ps` would show them."""
    lines, ended = set[bytes](), threading.Event()

    def look() -> None:
        while not ended.wait(0.002):
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    lines.add(line.read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lines
    finally:
        ended.set()
        thread.join()


def store(pi: Userland, text: str, name: str = "/root/secret") -> str:
    pi.path(name).write_text(text, "utf-8")
    return name


def rights(pi: Userland) -> str:
    return pi.run("stat", "-c", "%a %U:%G", FILE).stdout.strip()


def password(pi: Userland) -> str:
    return pi.path(FILE).read_text("utf-8")


def test_what_would_show_a_password_is_refused(bare_pi: Userland) -> None:
    def said(*arguments: str) -> str:
        done = bare_pi.run(*INSTALL, *arguments)
        assert done.returncode == 1
        assert SECRET not in done.stdout
        return done.stdout

    for url in (f"mqtt://me:{SECRET}@host", f"mqtts://:{SECRET}@host:1", f"me:{SECRET}@host"):
        assert "use --mqtt-password-file FILE" in said("--mqtt", url)
    assert "a space instead of =" in said(f"--mqtt=mqtt://me:{SECRET}@host")
    said(f"mqtt://me:{SECRET}@host")
    assert "expected mqtt://USER@HOST" in said("--mqtt", "http://host")
    assert "/nowhere: file not found" in said("--mqtt-password-file", "/nowhere")
    prepare(bare_pi)
    model = ("--model", "/root/colours.tflite")
    alone = ("--mqtt-password-file", store(bare_pi, SECRET))
    assert "add --mqtt URL" in said(*model, *alone)
    empty = ("--mqtt-password-file", store(bare_pi, f"\n{SECRET}"))
    assert "its first line is empty" in said(*model, "--mqtt", AWAY, *empty)
    assert "add --mqtt-password-file FILE" in said(*model, "--mqtt", AWAY)
    assert not bare_pi.path("/opt/vedette").exists()


def test_a_password_ends_in_a_file_of_the_service_and_is_seen_nowhere(pi: Userland) -> None:
    """And a broker that does not answer holds nothing up."""
    mine = settings(pi)
    pi.path("/etc/vedette/config.toml").write_text(
        f'{mine}"mqtt" = "mqtt://me:{SECRET}@old"\n[[on]]\nlabel = "red"\n', "utf-8"
    )
    file = store(pi, f"{SECRET}\nand a note\n")
    with seen_by_all() as lines:
        done = pi.run(*OFFLINE, "--mqtt", AWAY, "--mqtt-password-file", file)
    assert done.returncode == 0, done.stdout
    assert "broker mqtt://127.0.0.1:1\n" in done.stdout
    assert "nothing listens" in done.stdout
    assert "First label: red" in done.stdout
    text = f'{NAMED}\n{mine}mqtt = "{AWAY}"\n[[on]]\nlabel = "red"\n'
    assert settings(pi) == text
    assert (rights(pi), password(pi)) == ("640 root:vedette", f"{SECRET}\n")
    assert pi.path("/run/units/tried").read_text("utf-8") == "vedette-on@*\n"
    assert pi.path("/etc/systemd/system/vedette-on@.service").exists()
    log = pi.path("/var/log/vedette/watch.jsonl").read_text("utf-8")
    assert SECRET not in done.stdout + log + pi.path("/run/units/vedette.output").read_text("utf-8")
    assert any(AWAY.encode() in line for line in lines)
    assert not any(SECRET.encode() in line for line in lines)
    # Another installation keeps it, and so does another broker.
    done = pi.run(*OFFLINE, "--mqtt", "mqtt://me@127.0.0.1:2")
    assert done.returncode == 0, done.stdout
    assert settings(pi) == text.replace(AWAY, "mqtt://me@127.0.0.1:2")
    assert (rights(pi), password(pi)) == ("640 root:vedette", f"{SECRET}\n")
    done = pi.run(*OFFLINE, "--mqtt", "mqtt://127.0.0.1:1")  # to which nobody logs in
    assert done.returncode == 0, done.stdout
    assert NAMED not in settings(pi)


def test_on_a_terminal_it_asks_and_shows_nothing(pi: Userland) -> None:
    command = " ".join([*OFFLINE, "--mqtt", AWAY])
    with (
        seen_by_all() as lines,
        subprocess.Popen(
            [*pi.entered(), "script", "-qec", command, "/dev/null"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as asking,
    ):
        assert asking.stdin
        assert asking.stdout
        said = b""
        while not said.endswith(b"Password of the broker: "):
            byte = asking.stdout.read(1)
            assert byte, said
            said += byte
        asking.stdin.write(f"{SECRET}\n".encode())
        asking.stdin.flush()
        said += asking.stdout.read()
    assert asking.returncode == 0, said
    assert SECRET.encode() not in said
    assert not any(SECRET.encode() in line for line in lines)
    assert (rights(pi), password(pi)) == ("640 root:vedette", f"{SECRET}\n")
    assert NAMED in settings(pi)


def test_going_back_restores_the_former_password(pi: Userland) -> None:
    lost = ("--camera", "/dev/video9", "--mqtt-password-file", store(pi, "new"))
    mine = settings(pi)
    done = pi.run(*OFFLINE, *lost, "--mqtt", AWAY, VEDETTE_WAIT_S="2")
    assert "restarted the previous version" in done.stdout
    assert settings(pi) == mine
    assert not pi.path(FILE).exists()
    mine += f'mqtt = "{AWAY}"\n{NAMED}\n'
    pi.path("/etc/vedette/config.toml").write_text(mine, "utf-8")
    store(pi, "former\n", FILE)
    done = pi.run(*OFFLINE, *lost, VEDETTE_WAIT_S="2")
    assert "restarted the previous version" in done.stdout
    assert current(pi) == "1"
    assert running(pi)
    assert settings(pi) == mine
    assert (rights(pi), password(pi)) == ("640 root:vedette", "former\n")


def test_a_password_that_systemd_hands_over_stays_root_s(pi: Userland) -> None:
    handed = settings(pi) + f'mqtt = "{AWAY}"\n'
    handed += 'mqtt-password-file = "/run/credentials/vedette.service/mqtt-password"\n'
    pi.path("/etc/vedette/config.toml").write_text(handed, "utf-8")
    pi.path(store(pi, "former\n", FILE)).chmod(0o600)
    pi.path("/run/credentials/vedette.service").mkdir(parents=True)
    store(pi, "former\n", "/run/credentials/vedette.service/mqtt-password")
    done = pi.run(*OFFLINE)
    assert done.returncode == 0, done.stdout
    assert settings(pi) == handed
    assert (rights(pi), password(pi)) == ("600 root:root", "former\n")


@pytest.fixture
def broker(pi: Userland, tmp_path: Path) -> Iterator[str]:
    """A real broker on the userland's loopback, with a user and a password; its URL."""
    mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
    if not (mosquitto and shutil.which("mosquitto_sub")):
        pytest.skip("mosquitto is not installed: apt install mosquitto mosquitto-clients")
    users, file = tmp_path / "users", tmp_path / "mosquitto.conf"
    subprocess.run(["mosquitto_passwd", "-c", "-b", users, "me", SECRET], check=True)
    file.write_text(f"listener 1883 127.0.0.1\nuser root\npassword_file {users}\n", "utf-8")
    command = pi.beside(mosquitto, "-c", file)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as broker:
        assert broker.stderr
        assert any("running" in line for line in broker.stderr)
        yield "mqtt://me@127.0.0.1"
        broker.kill()


def retained(pi: Userland) -> str:
    """What the broker keeps."""
    client = ["mosquitto_sub", "-u", "me", "-P", SECRET, "--retained-only", "-F", "%t"]
    command = pi.beside(*client, "-W", "2", "-t", "vedette/#", "-t", "homeassistant/#")
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_the_new_password_is_checked_and_uninstalling_leaves_the_broker(
    pi: Userland, broker: str
) -> None:
    before, mine = running(pi), settings(pi)
    done = pi.run(*OFFLINE, "--mqtt", broker, "--mqtt-password-file", store(pi, "wrong"))
    assert done.returncode == 1
    assert "it refuses" in done.stdout
    assert "The installed version continues" in done.stdout
    assert (current(pi), running(pi), settings(pi)) == ("1", before, mine)
    assert not pi.path(FILE).exists()
    store(pi, "wrong", FILE)  # which the new one replaces
    done = pi.run(*OFFLINE, "--mqtt", broker, "--mqtt-password-file", store(pi, SECRET))
    assert done.returncode == 0, done.stdout
    assert "answers, and accepts us" in done.stdout
    assert "homeassistant/device/" in retained(pi)
    done = pi.run("sh", "/opt/vedette/current/install.sh", "--uninstall")
    assert done.returncode == 0, done.stdout
    assert "Removing this device from the broker" in done.stdout
    assert retained(pi) == ""

"""`make deploy`'s script over a real sshd on loopback, into a Debian of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.install.conftest import ARCHITECTURE, MODEL, ROOT, SUITE
from tests.install.test_broker import SECRET, seen_by_all
from tests.install.userland import Userland

pytestmark = pytest.mark.timeout(1800)  # of which an emulated processor needs a good part


@pytest.fixture
def ssh(bare_pi: Userland, tmp_path: Path) -> Iterator[str]:
    """The command that connects to the system as pi, or as root where sudo cannot be emulated."""
    if not shutil.which("ssh"):
        pytest.skip("needs ssh: apt install openssh-client")
    user, home = ("root", "/root") if bare_pi.emulated else ("pi", "/home/pi")
    key, config = tmp_path / "key", tmp_path / "config"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    bare_pi.path(f"{home}/.ssh").mkdir(exist_ok=True)
    known = bare_pi.path(f"{home}/.ssh/authorized_keys")
    known.write_text(key.with_suffix(".pub").read_text("utf-8"), "utf-8")
    bare_pi.run("chown", "-R", f"{user}:", f"{home}/.ssh")
    greeting = bare_pi.path(f"{home}/.bashrc")  # which bash reads for ssh, too
    greeting.write_text("echo Back-ups are in /srv\n", "utf-8")
    bare_pi.run("mkdir", "-p", "/run/sshd")
    bare_pi.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/run/host")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-D -p {port} -h /run/host -o ListenAddress=127.0.0.1 -o StrictModes=no".split()
    for name, value in bare_pi.emulated.items():
        options += ["-o", f"SetEnv={name}={value}"]
    server = subprocess.Popen([*bare_pi.entered(), "/usr/sbin/sshd", *options])
    config.write_text(
        f"Host hen-house\nHostName 127.0.0.1\nPort {port}\nUser {user}\nIdentityFile {key}\n"
        "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n",
        "utf-8",
    )
    _wait_for(port)
    yield f"ssh -F {config}"
    server.terminate()
    server.wait()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as attempt:
            if not attempt.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.1)
    pytest.fail("sshd does not listen")


def test_deploying_over_ssh_ends_with_a_first_label_and_shows_no_password(
    bare_pi: Userland, ssh: str, bundle: Callable[..., Path], tmp_path: Path
) -> None:
    archive = bundle(f"{SUITE}-{ARCHITECTURE}", MODEL)
    camera = ("--camera", "synthetic:640x480@30", "--mqtt", "mqtt://me@127.0.0.1:1")
    secret = tmp_path / "it's a secret"
    secret.write_text(f"{SECRET}\n", "utf-8")
    with seen_by_all() as lines:
        done = subprocess.run(
            ["edge/deploy.sh", archive, "hen-house", "--mqtt-password-file", secret, *camera],
            cwd=ROOT,
            env=os.environ | {"SSH": ssh},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not any(SECRET.encode() in line for line in lines)
    assert any(b"/vedette/install.sh" in line for line in lines)
    assert bare_pi.path("/etc/vedette/mqtt-password").read_text("utf-8") == f"{SECRET}\n"
    assert "First label: unknown" in done.stdout
    assert "camera synthetic:640x480@30" in done.stdout
    text = bare_pi.path("/etc/vedette/config.toml").read_text("utf-8")
    assert 'camera = "synthetic:640x480@30"' in text
    assert not list(bare_pi.path("/var/tmp").iterdir())


def test_what_the_pi_says_no_to_ends_deploying(
    bare_pi: Userland, ssh: str, bundle: Callable[..., Path]
) -> None:
    done = subprocess.run(
        ["edge/deploy.sh", bundle(), "hen-house", "--camera", "it's; a 'camera'"],
        cwd=ROOT,
        env=os.environ | {"SSH": ssh},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "--model FILE" in done.stderr
    assert not list(bare_pi.path("/var/tmp").iterdir())
    assert bare_pi.path("/srv").exists()

"""install.sh --page: a socket for the network, and a token that is shown once."""

import os
import re

import pytest
from tests.install.conftest import OFFLINE
from tests.install.userland import Userland

pytestmark = pytest.mark.timeout(1800)  # of which an emulated processor needs a good part
TOKEN, UNITS = "/etc/vedette/token", "/etc/systemd/system"
ENABLED = "/etc/systemd/vedette-page.socket.enabled"
ASK = """import sys, urllib.error, urllib.request
url, headers = "http://127.0.0.1:8470/page.js", {"Authorization": f"Bearer {sys.argv[1]}"}
try:
    print(urllib.request.urlopen(urllib.request.Request(url, headers=headers)).status)
except urllib.error.HTTPError as error:
    print(error.status)
"""


def ask(pi: Userland, token: str) -> str:
    return pi.run("python3", "-c", ASK, token).stdout.strip()


def test_the_page_opens_to_those_who_have_the_token_which_is_shown_once(pi: Userland) -> None:
    assert not pi.path(ENABLED).exists()
    assert pi.path(f"{UNITS}/vedette-page.socket").exists()
    done = pi.run(*OFFLINE, "--page")
    assert done.returncode == 0, done.stdout
    [token] = re.findall(r"\b[0-9a-f]{32}\b", done.stdout)
    assert f"http://{os.uname().nodename}.local:8470/ asks for the token" in done.stdout
    assert pi.path(TOKEN).read_text("utf-8") == f"{token}\n"
    assert pi.run("stat", "-c", "%a %U:%G", TOKEN).stdout == "640 root:vedette\n"
    assert pi.path(ENABLED).exists()
    assert (ask(pi, token), ask(pi, token[::-1])) == ("200", "401")
    for more in ((), ("--page",)):
        done = pi.run(*OFFLINE, *more)
        assert done.returncode == 0, done.stdout
        assert token not in done.stdout
        assert ("the token, in /etc/vedette/token\n" in done.stdout) == bool(more)
        assert (ask(pi, token), ask(pi, "")) == ("200", "401")
    done = pi.run("sh", "/opt/vedette/current/install.sh", "--uninstall")
    assert done.returncode == 0, done.stdout
    assert not pi.path(ENABLED).exists()
    assert not pi.path("/etc/vedette").exists()
    assert not pi.run("sh", "-c", f"find {UNITS} -name 'vedette*'").stdout
    assert "refused" in ask(pi, token)

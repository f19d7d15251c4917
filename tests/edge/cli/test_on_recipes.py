"""The recipes of docs/actions.md that curl sends, with a server that records what it gets."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

DOCS = Path(__file__).parents[3] / "docs" / "actions.md"
PICTURE = b"\xff\xd8 a picture \xff\xd9\r\n--"
LABEL = '@/etc/passwd <fox>; "$(id)" &title=x\nX-Header: ü'

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


class Recorder(BaseHTTPRequestHandler):
    """Records requests, and refuses those whose path has `refuse`."""

    requests: list[tuple[str, bytes, str]]

    def do_POST(self) -> None:
        """Record the path, the body and its type."""
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.requests.append((self.path, body, self.headers.get("Content-Type", "")))
        self.send_response(403 if "refuse" in self.path else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serve() -> Iterator[tuple[str, list[tuple[str, bytes, str]]]]:
    requests: list[tuple[str, bytes, str]] = []
    handler = type("Handler", (Recorder,), {"requests": requests})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", requests
        finally:
            server.shutdown()
            thread.join()


def read_recipe(heading: str) -> str:
    """Read the first script below a heading."""
    section = DOCS.read_text("utf-8").split(f"### {heading}\n")[1].split("\n### ")[0]
    script = re.search(r"(    #!(?:.*\n(?=    |\n))+.*\n)", section)
    assert script
    return re.sub(r"(?m)^    ", "", script[1])


def run_recipe(
    folder: Path, script: str, with_picture: bool, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as `vedette on` does."""
    path, picture = folder / "recipe", folder / "a picture.jpg"
    path.write_text(script, "utf-8")
    path.chmod(0o755)
    picture.write_bytes(PICTURE)
    own = {"LABEL": LABEL, "SCORE": "0.91", "PREVIOUS": "none"}
    own["SNAPSHOT"] = str(picture) if with_picture else ""
    environment |= {f"VEDETTE_{name}": value for name, value in own.items()}
    return subprocess.run(
        [path],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_curl
@pytest.mark.parametrize("with_picture", [False, True])
def test_ntfy_gets_the_label_and_the_picture(tmp_path: Path, with_picture: bool) -> None:
    with serve() as (address, requests):
        done = run_recipe(tmp_path, read_recipe("ntfy"), with_picture, NTFY=f"{address}/topic")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [(path, body, _)] = requests
    query = parse_qs(urlsplit(path).query)
    assert urlsplit(path).path == "/topic"
    assert query["title"] == [LABEL]
    assert query["message"] == ["score 0.91, before: none"]
    assert query.get("filename") == (["snapshot.jpg"] if with_picture else None)
    assert body == (PICTURE if with_picture else b"")


@needs_curl
@pytest.mark.parametrize("with_picture", [False, True])
def test_telegram_gets_the_label_and_the_picture(tmp_path: Path, with_picture: bool) -> None:
    with serve() as (address, requests):
        script = read_recipe("Telegram").replace("https://api.telegram.org", address)
        done = run_recipe(tmp_path, script, with_picture, TOKEN="12:token", CHAT="34")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [(path, body, kind)] = requests
    assert path == f"/bot12:token/{'sendPhoto' if with_picture else 'sendMessage'}"
    message = message_from_bytes(f"Content-Type: {kind}\n\n".encode() + body)
    parts = {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in message.walk()
        if not part.is_multipart()
    }
    text = {"caption" if with_picture else "text": f"{LABEL} (0.91)".encode(), "chat_id": b"34"}
    assert {name: content for name, content in parts.items() if name != "photo"} == text
    assert ("photo" in parts) == with_picture
    assert not with_picture or PICTURE in body


@needs_curl
@pytest.mark.parametrize("heading", ["ntfy", "Telegram"])
def test_a_service_that_refuses_a_message_is_a_failure_without_a_secret_in_it(
    tmp_path: Path, heading: str
) -> None:
    with serve() as (address, _):
        script = read_recipe(heading).replace("https://api.telegram.org", address)
        secrets = {"TOKEN": "refuse", "CHAT": "34", "NTFY": f"{address}/refuse"}
        done = run_recipe(tmp_path, script, True, **secrets)
    assert done.returncode == 22
    assert "403" in done.stderr
    assert "refuse" not in done.stderr

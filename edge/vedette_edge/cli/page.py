"""`vedette page`: the live page of a watch, in a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import click

from vedette_edge.cli.options import collect_options
from vedette_edge.cli.show_log import show_log
from vedette_edge.cli.web_options import advise_extras, bind_option, web_options
from vedette_edge.console import Output, cli_session
from vedette_edge.errors import SettingError
from vedette_edge.page.config import PageConfig
from vedette_edge.web.config import Address

PORT = 8470
SERVICE_SOCKET = Path("/run/vedette/watch.sock")
SOCKET = "watch.sock"  # of a watch of ours
START_S = 60.0  # for a watch to open its socket
CHECK_S = 0.05
END_S = 5.0  # for a watch to end
EXAMPLES = """\b
Examples:
  vedette page                                   # the service's watch
  vedette page --socket watch.sock --bind 8080
  vedette page --bind 0.0.0.0:8470 --token-file token
  vedette page --open model.tflite --camera clip.mp4
"""


page_options = collect_options(
    "config",
    PageConfig,
    click.option(
        "--socket",
        type=click.Path(path_type=Path),
        default=SERVICE_SOCKET,
        help="Socket of the watch.",
    ),
    web_options,
)


@click.command("page", epilog=EXAMPLES)
@bind_option(PORT)
@page_options
@click.option(
    "--open",
    "model",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Start a watch with this model, too, for a first look.",
)
@click.option("--camera", metavar="SOURCE", help="Camera of that watch.")
def page(
    addresses: tuple[Address, ...], config: PageConfig, model: Path | None, camera: str | None
) -> None:
    """Show what a watch sees, and why, on a page for a browser.

    The page is for this machine alone, unless --bind says otherwise; then it needs a token.
    """
    if bool(model) != bool(camera):
        raise click.UsageError("--open and --camera belong together: a model, and where to look")
    with cli_session() as terminal, show_log(terminal.err, "vedette_edge", "uvicorn.error"):
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # in order, as Ctrl-C
        with advise_extras("page"):
            from vedette_edge.page.run import run_page  # starlette and uvicorn are an extra
            from vedette_edge.web.server import open_sockets  # the same
        with open_sockets(addresses, PORT) as sockets, _open_watch(model, camera, terminal) as own:
            run_page(replace(config, socket=own) if own else config, sockets)


@contextmanager
def _open_watch(model: Path | None, camera: str | None, terminal: Output) -> Iterator[Path | None]:
    """Run a watch while the context lasts, if there is a model; yields its socket.

    Raises click.exceptions.Exit if the watch ends at once: it has said why.
    """
    if not (model and camera):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="vedette-") as name:
        words, closing = terminal.err.file.fileno(), threading.Event()
        command = _build_command(model, camera, Path(name))
        with subprocess.Popen(command, stdout=words, stderr=words) as watch:
            try:
                socket = _wait_for_socket(watch, Path(name) / SOCKET)
                threading.Thread(target=_end_with, args=(watch, closing), daemon=True).start()
                yield socket
            finally:
                code = watch.poll()
                closing.set()
                watch.terminate()
                with suppress(subprocess.TimeoutExpired):
                    watch.wait(END_S)
                watch.kill()
                if code:  # it has ended by itself, and has said why
                    raise click.exceptions.Exit(code)


def _build_command(model: Path, camera: str, folder: Path) -> list[str]:
    """Build the command of a watch that keeps its log and snapshots in a folder."""
    outputs = ["--socket", SOCKET, "--log", "watch.jsonl", "--snapshots", "snapshots"]
    places = [text if text.startswith("-") else str(folder / text) for text in outputs]
    is_recorded = Path(camera).is_file() or Path(camera).is_dir()
    again = ["--loop"] if is_recorded else []
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", camera]
    return [*command, "--live", *again, *places]


def _end_with(watch: "subprocess.Popen[bytes]", closing: threading.Event) -> None:
    """End this process when the watch ends by itself."""
    watch.wait()
    if not closing.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_socket(watch: "subprocess.Popen[bytes]", path: Path) -> Path:
    until_s = time.monotonic() + START_S
    while not path.exists():
        if watch.poll() is not None:
            raise click.exceptions.Exit(watch.returncode or 1)
        if time.monotonic() > until_s:
            raise SettingError(f"the watch has not begun after {START_S:.0f} s; see what it says")
        time.sleep(CHECK_S)
    return path

"""Draw the pictures of the README, from what `make demo` made.

.venv/bin/python docs/pictures.py

Needs tmux and Chromium. Trains on five of the demonstration's classes, in a minute.
"""

import io
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME as THEME
from rich.text import Text
from selenium.webdriver import Chrome, ChromeOptions

from vedette_edge import Classifier
from vedette_edge.images import decoding, discovery

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "demo"
ROWS, COLUMNS = 3, 6
CLASSES = ("chess_king", "chess_knight", "chess_pawn", "chess_queen", "chess_rook")
COMMANDS = (
    "vedette-train fit chess --out runs/chess",
    "vedette-convert runs/chess --out chess.tflite",
    "vedette predict chess.tflite frames --evaluate",
)
PAGE = """<body style="margin:0;background:{background}">
<pre style="margin:14px;font:13px/1.35 'DejaVu Sans Mono',monospace;color:{foreground}">{code}
</pre>"""


def main() -> None:
    draw_frames()
    with tempfile.TemporaryDirectory() as folder:
        for part, name in product(("train", "test"), CLASSES):
            shutil.copytree(DEMO / "cards" / part / name, Path(folder, "chess", part, name))
        for name in CLASSES:
            shutil.copytree(DEMO / "frames" / name, Path(folder, "frames", name))
        screen = "\n".join(run_in_terminal(command, folder) for command in COMMANDS)
        console = Console(record=True, file=io.StringIO(), width=112)
        console.print(Text.from_ansi(screen))
        page = Path(folder, "terminal.html")
        page.write_text(
            console.export_html(theme=THEME, code_format=PAGE, inline_styles=True), "utf-8"
        )
        draw_page(page.as_uri(), "terminal", 910, 1300)
        draw_page(Path(folder, "runs", "chess", "report.html").as_uri(), "report", 1100, 900)
        draw_live_page(Path(folder))


def draw_frames() -> None:
    """Draw held-out frames with their labels."""
    classifier = Classifier(ROOT / "runs" / "demo" / "model.tflite")
    frames = discovery.find_images(DEMO / "frames")
    shown = frames[3 :: len(frames) // (ROWS * COLUMNS)][: ROWS * COLUMNS]
    figure = Figure(figsize=(9.6, 4.4), layout="constrained", facecolor="#15181c")
    for path, axes in zip(shown, np.ravel(figure.subplots(ROWS, COLUMNS)), strict=True):
        picture_rgb = decoding.read_image(path)
        answer = classifier.classify(picture_rgb)
        axes.imshow(picture_rgb)
        axes.axis("off")
        axes.set_title(
            f"{answer.label}  {answer.score:.0%}",
            color="#7ee08a" if answer.label == path.parent.name else "#ff8f70",
            fontsize=10,
            family="monospace",
        )
    FigureCanvasAgg(figure)
    png = io.BytesIO()
    figure.savefig(png, dpi=100)
    save(Image.open(png), "at-work")


def run_in_terminal(command: str, folder: str) -> str:
    """Run a command in a terminal of its own; return the prompt and the screen at its end."""
    tmux = ["tmux", "-S", f"{folder}/{command.split()[0]}"]  # a server of its own
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    end = f"{shlex.join(tmux)} wait-for -S done; sleep 9"
    shell = f"cd {shlex.quote(folder)}; PATH={shlex.quote(path)}; {command}; {end}"
    subprocess.run([*tmux, "new-session", "-d", "-x", "110", "-y", "60", shell], check=True)
    subprocess.run([*tmux, "wait-for", "done"], check=True, timeout=600)
    screen = subprocess.check_output([*tmux, "capture-pane", "-p", "-e"], text=True)
    subprocess.run([*tmux, "kill-server"], check=True)
    return f"\x1b[1m$ {command}\x1b[0m\n{screen.rstrip()}\n"


def draw_live_page(folder: Path) -> None:
    """Draw the live page of a watch that has seen each class for two seconds."""
    clip = folder / "door.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 480))
    for name in (*CLASSES, CLASSES[0]):
        picture_rgb = decoding.read_image(discovery.find_images(folder / "frames" / name)[0])
        frame_bgr = cv2.resize(picture_rgb, (640, 480), interpolation=cv2.INTER_AREA)[..., ::-1]
        for _ in range(60):
            writer.write(frame_bgr)
    writer.release()
    command = "page --bind 8479 --open chess.tflite --camera door.avi".split()
    with subprocess.Popen([ROOT / ".venv" / "bin" / "vedette", *command], cwd=folder) as page:
        time.sleep(43)
        draw_page("http://127.0.0.1:8479/", "page", 1400, 1170, wait_s=8)
        page.terminate()


def draw_page(url: str, name: str, width: int, highest: int, wait_s: float = 0) -> None:
    """Draw what a browser shows of a page, of so many px at most."""
    options = ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    with Chrome(options=options) as chrome:
        chrome.set_window_size(width, highest + 150)
        chrome.get(url)
        time.sleep(wait_s)
        height = int(chrome.execute_script("return document.documentElement.scrollHeight"))
        chrome.set_window_size(width, min(highest, height) + 150)
        png = chrome.get_screenshot_as_png()
    picture = Image.open(io.BytesIO(png))
    save(picture.crop((0, 0, picture.width, min(picture.height, highest, height))), name)


def save(picture: Image.Image, name: str) -> None:
    """Write docs/NAME.png in 96 colours, a sixth of the bytes."""
    picture.convert("RGB").quantize(96).save(ROOT / "docs" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()

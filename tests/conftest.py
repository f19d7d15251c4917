"""What the workstation's tests share: a small data set of drawn pictures, and a run on it."""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

# Where tests run in the background, Ctrl-C is ignored, and what they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Beside other tests an example may take long, and that proves nothing. Where CI is set, a profile
# inherits from Hypothesis' own for CI, which tries the same examples for ever, unless told not to.
settings.register_profile(
    "vedette",
    deadline=None,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("vedette")
settings.register_profile("fuzz", max_examples=20_000)  # make fuzz

# Why a test may be skipped where CI is set: it is for another system, or for files that not every
# checkout has. Any other skip fails there, or a proof could vanish unseen.
MAY_BE_SKIPPED = (
    "../shared",
    "shared/models",
    "this OpenCV reads",
    "this kernel",
    "this systemd",
    "systemd-analyze",
    "no virtual camera here",
)

# The longest files begin first: pytest-xdist deals out files, and one at the end would run alone.
LONGEST = ("test_flow.py", "test_fine_tuning.py", "test_pipeline.py", "test_head_refit.py")

Once = Callable[[str, Callable[[Path], object]], Path]
SHAPES = ("bar", "disc", "square")
AXE = "axe-playwright-python==0.1.8"  # of which only axe-core itself is used


def pytest_configure(config: pytest.Config) -> None:
    """Draw a seed, and keep verdicts on models in a folder of this run, and none at home."""
    if not hasattr(config, "workerinput"):  # workers of pytest-xdist inherit both
        if config.option.hypothesis_seed is None:
            config.option.hypothesis_seed = str(secrets.randbelow(10**6))
        folder = TemporaryDirectory(prefix="vedette-state-")
        os.environ["STATE_DIRECTORY"] = folder.name
        config.add_cleanup(folder.cleanup)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_report_header(config: pytest.Config) -> str:
    return f"to draw the same examples: --hypothesis-seed {config.option.hypothesis_seed}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    allowed = any(known in reason for known in MAY_BE_SKIPPED)
    if os.environ.get("CI") and report.skipped and reason and not allowed:
        report.outcome, report.longrepr = "failed", f"CI may not skip this. {reason}"
    return report


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all processes that ask for the same path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes a folder of a name once for all workers of pytest-xdist; gives it.

    The first that asks fills the empty folder, the others wait. Not to be changed by a test.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # a worker's own folder lies in the session's

    def make_once(name: str, fill: Callable[[Path], object]) -> Path:
        folder = base / "once" / name
        made = folder.with_name(f"{name}.made")
        with locked(folder):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                made.touch()
        return folder

    return make_once


@pytest.fixture(scope="session")
def draw_shapes() -> Callable[[Path, int], Path]:
    """Draws a data set of three classes that a small network learns in a few epochs."""

    def draw(folder: Path, per_class: int) -> Path:
        random = np.random.default_rng(7)
        for shape in SHAPES:
            (folder / shape).mkdir(parents=True)
            for number in range(per_class):
                # Grounds of few colours, or pictures would be taken for near-duplicates.
                ground = random.integers(0, 90, (4, 5, 3), np.uint8)
                picture = cv2.resize(ground, (80, 60), interpolation=cv2.INTER_CUBIC)
                x, y = (int(place) for place in random.integers(25, 35, 2))
                if shape == "disc":
                    cv2.circle(picture, (x, y), 16, (40, 40, 230), -1)
                elif shape == "square":
                    cv2.rectangle(picture, (x - 14, y - 14), (x + 14, y + 14), (40, 230, 40), -1)
                else:
                    cv2.rectangle(picture, (x - 22, y - 4), (x + 22, y + 4), (230, 40, 40), -1)
                cv2.imwrite(str(folder / shape / f"{number:03}.png"), picture)
        return folder

    return draw


@pytest.fixture(scope="session")
def shapes(draw_shapes: Callable[[Path, int], Path], once: Once) -> Path:
    return once("data", lambda folder: draw_shapes(folder / "shapes", 40)) / "shapes"


@pytest.fixture(scope="session")
def train() -> Callable[..., Result]:
    """Runs vedette-train in this process, as its command line would."""
    from vedette_train.__main__ import main

    def run(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(scope="session")
def run_folder(shapes: Path, train: Callable[..., Result], once: Once) -> Path:
    """A finished run of the recipe on the shapes, 48 x 48 px. Not to be changed by a test."""
    recipe = ("--architecture", "cnn", "--size", "48", "--epochs", "4", "--batch-size", "16")

    def fill(folder: Path) -> None:
        result = train("fit", shapes, "--out", folder / "shapes", *recipe)
        assert result.exit_code == 0, result.stderr

    return once("run", fill) / "shapes"


@pytest.fixture(scope="session")
def default_run(shapes: Path, train: Callable[..., Result], once: Once) -> Path:
    """A folder with a finished run of the default, 64 x 64 px, and its store.

    Not to be changed by a test.
    """

    def fill(folder: Path) -> None:
        flags = ("--out", folder / "run", "--store", folder / "store", "--size", "64")
        result = train("fit", shapes, *flags)
        assert result.exit_code == 0, result.stderr

    return once("default-run", fill)


@pytest.fixture(scope="session")
def environment() -> Callable[..., Path]:
    """Makes an environment of its own for what does not go together with ours; gives its python.

    It lies in build/NAME, and is made anew only where other packages are asked for.
    """

    def make(name: str, *packages: str) -> Path:
        folder = Path(__file__).parents[1] / "build" / name
        with locked(folder):
            made = folder / ".made"
            if not made.exists() or made.read_text(encoding="utf-8") != "\n".join(packages):
                install(folder, *packages)
                made.write_text("\n".join(packages), encoding="utf-8")
        return folder / "bin" / "python"

    return make


def install(folder: Path, *packages: str) -> None:
    """Make an environment with these packages."""
    # Ours installs into it: it would take as long to install a pip there.
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    command = [*pip, "--quiet", "--only-binary=:all:", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(packages)} cannot be installed: {done.stderr.strip()[-200:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator["Chrome"]:
    """A real browser, for the pages that people read."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs chromium and chromedriver: apt install chromium chromium-driver")
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options, ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="session")
def axe(once: Once) -> str:
    """The accessibility checker axe-core, a script for the browser."""

    def download(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
        done = subprocess.run([*pip, str(folder), AXE], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{AXE} cannot be downloaded: {done.stderr.strip()[-200:]}")

    (wheel,) = once("axe", download).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read("axe_playwright_python/axe.min.js").decode()


@contextmanager
def hidden_heif() -> Iterator[None]:
    """As where the extra `vedette-edge[heif]` is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pillow_heif", None)
        patch.delitem(sys.modules, "vedette_edge.images.heif", raising=False)
        patch.delattr("vedette_edge.images.heif", raising=False)
        yield


@pytest.fixture
def without_heif() -> Iterator[None]:
    """The same, for a whole test."""
    with hidden_heif():
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)

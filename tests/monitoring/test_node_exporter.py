"""A real node_exporter reads the file, as docs/metrics.md says."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.monitoring.prometheus import (
    MONITORING,
    needs_node_exporter,
    read_page,
    run_node_exporter,
    wait_until,
)

MODEL = Path(__file__).parents[1] / "edge" / "colours.tflite"
WELL = "node_textfile_scrape_error 0"

pytestmark = needs_node_exporter


@pytest.fixture
def watch(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A watch with a file in a folder of its own."""
    (tmp_path / "run").mkdir()
    flags = ["--camera", "synthetic:64x48@5", "--metrics-file", "run/vedette.prom"]
    command = [sys.executable, "-m", "vedette_edge", "run", str(MODEL), *flags]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        wait_until((tmp_path / "run" / "vedette.prom").exists)
        yield process
        process.kill()


def test_node_exporter_shows_the_figures_and_the_age_of_the_file_that_the_alerts_look_for(
    watch: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    with run_node_exporter(tmp_path / "run") as url:
        page = read_page(url)
        assert WELL in page
        assert "\nvedette_build_info{" in page
        file = re.search(r'node_textfile_mtime_seconds\{file="([^"]*)"\}', page)
        assert file
        patterns = re.findall(r'file=~"([^"]*)"', (MONITORING / "alerts.yml").read_text("utf-8"))
        assert len(patterns) == 2
        assert all(re.fullmatch(pattern, file[1]) for pattern in patterns)
        watch.terminate()
        watch.wait(30)
        page = read_page(url)
        assert WELL in page
        assert "vedette_" not in page.replace("vedette.prom", "")


def test_a_link_from_the_folder_of_node_exporter_is_followed(
    watch: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    folder = tmp_path / "node-exporter"
    folder.mkdir()
    (folder / "vedette.prom").symlink_to(tmp_path / "run" / "vedette.prom")
    (folder / "other.prom").write_text("other 1\n")
    with run_node_exporter(folder) as url:
        page = read_page(url)
        assert WELL in page
        assert "\nvedette_build_info{" in page
        watch.terminate()
        watch.wait(30)
        page = read_page(url)
        assert "node_textfile_scrape_error 1" in page
        assert "\nvedette_" not in page
        assert "\nother 1" in page

"""The audit describes a data set of odd files without a mistake."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from click.testing import Result
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image
from vedette_train.data.audit import FINDING_KINDS
from vedette_train.data.discovery import FOLDER_LINK, NOT_AN_IMAGE, OUTSIDE_CLASSES

Train = Callable[..., Result]


def draw_scene(seed: int, height: int = 200, width: int = 240) -> Image:
    """A picture of its own: coarse colours, as a blurred photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def write_image(path: Path, image: NDArray[np.uint8 | np.uint16]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def odd_data(tmp_path: Path) -> Path:
    """Two classes of twenty ordinary pictures, and one of each thing that can be wrong."""
    data = tmp_path / "data"
    for number in range(20):
        write_image(data / "fox" / f"{number:02}.jpg", draw_scene(number))
        write_image(data / "hen" / f"{number:02}.jpg", draw_scene(100 + number))
    fox, hen = data / "fox", data / "hen"
    (hen / "copy-of-fox.jpg").write_bytes((fox / "03.jpg").read_bytes())
    (fox / "twin.jpg").write_bytes((fox / "05.jpg").read_bytes())
    png = write_image(tmp_path / "a.png", draw_scene(30)).read_bytes()
    (fox / "really-a-png.jpg").write_bytes(png)
    whole = write_image(tmp_path / "b.jpg", draw_scene(31)).read_bytes()
    (fox / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (fox / "words.jpg").write_text("this is no picture", encoding="utf-8")
    turned = PIL.Image.Exif()
    turned[0x0112] = 6
    PIL.Image.fromarray(draw_scene(32)).save(fox / "turned.jpg", exif=turned)
    write_image(fox / "deep.png", draw_scene(33).astype(np.uint16) * 257)
    write_image(fox / "dot.png", draw_scene(34, 1, 1))
    write_image(fox / "low.png", draw_scene(41, 20, 300))
    PIL.Image.fromarray(draw_scene(35)).convert("CMYK").save(fox / "print.jpg")
    frames = [PIL.Image.fromarray(draw_scene(seed)) for seed in (36, 37, 38)]
    frames[0].save(fox / "moving.gif", save_all=True, append_images=frames[1:])
    PIL.Image.fromarray(draw_scene(39)).save(fox / "fine.webp")
    PIL.Image.fromarray(draw_scene(40)).convert("L").save(hen / "grey.png")
    write_image(hen / "brighter-09.jpg", np.clip(draw_scene(109) * 1.08, 0, 255).astype(np.uint8))
    (data / "nothing").mkdir()
    (hen / "more").symlink_to("../fox")
    write_image(data / ".thumbnails" / "00.jpg", draw_scene(50))
    (hen / "notes.txt").write_text("seen on Tuesday", encoding="utf-8")
    write_image(data / "loose.jpg", draw_scene(51))
    return data


def run_audit(train: Train, data: Path, *flags: str | Path) -> dict[str, list[tuple[object, ...]]]:
    """Kind -> findings, as audit.json has them."""
    out, store = data.parent / "audit.json", data.parent / ".store"
    result = train("audit", data, "--out", out, "--store", store, *flags)
    assert result.exit_code == 0, result.stderr
    findings: dict[str, list[tuple[object, ...]]] = {}
    for one in json.loads(out.read_bytes())["findings"]:
        findings.setdefault(one["kind"], []).append((*one["files"], one["detail"]))
    return findings


def test_every_odd_file_is_described_and_no_other(train: Train, odd_data: Path) -> None:
    cut = "a JPEG file that is damaged, cut off or of a variant that OpenCV cannot read"
    assert run_audit(train, odd_data) == {
        "unreadable": [
            (
                "fox/words.jpg",
                "not a picture; expected JPEG, PNG, BMP, WebP, GIF, TIFF, HEIC or AVIF",
            )
        ],
        "truncated": [("fox/cut.jpg", cut)],
        "link": [("hen/more", FOLDER_LINK)],
        "identical-across-classes": [("fox/03.jpg", "hen/copy-of-fox.jpg", "fox, hen")],
        "identical": [("fox/05.jpg", "fox/twin.jpg", "fox")],
        "alike": [("hen/09.jpg", "hen/brighter-09.jpg", "hen")],
        "ending": [("fox/really-a-png.jpg", "is a PNG")],
        "small": [("fox/dot.png", "1 x 1 px"), ("fox/low.png", "300 x 20 px")],
        "animated": [("fox/moving.gif", "3 frames")],
        "deep": [("fox/deep.png", "16 bits")],
        "cmyk": [("fox/print.jpg", "JPEG")],
        "grey": [("hen/grey.png", "PNG")],
        "turned": [("fox/turned.jpg", "orientation 6")],
        "stray": [("hen/notes.txt", NOT_AN_IMAGE), ("loose.jpg", OUTSIDE_CLASSES)],
        "empty": [("nothing",)],
        "hidden": [(".thumbnails",)],
    }


def test_damage_that_a_decoder_only_reports_is_found(train: Train, shapes: Path) -> None:
    data = shapes.parent / "damaged"
    shutil.copytree(shapes, data)
    for number in range(12):
        path = write_image(data / "bar" / f"{number}.jpg", draw_scene(number, 300, 400))
    whole, middle = path.read_bytes(), path.stat().st_size // 2
    (data / "bar" / "zeros.jpg").write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])
    (data / "bar" / "more.jpg").write_bytes(whole[:-2] + bytes(30) + whole[-2:])
    tiff = write_image(data / "bar" / "x.tiff", draw_scene(5)).read_bytes()
    (data / "bar" / "x.tiff").write_bytes(tiff[:3000] + bytes(200) + tiff[3200:])
    for _ in range(2):  # the second time from the cache
        findings = run_audit(train, data, "--size", "32")
        assert [file for file, _ in findings["unused"]] == ["bar/more.jpg"]
        (tiff_file, _), (jpeg_file, why) = findings["truncated"]
        assert (tiff_file, jpeg_file) == ("bar/x.tiff", "bar/zeros.jpg")
        assert "premature end of data segment" in str(why)


def test_a_second_audit_reads_the_cache_and_has_the_same_findings(
    train: Train, odd_data: Path
) -> None:
    assert run_audit(train, odd_data) == run_audit(train, odd_data)


def test_small_and_uneven_classes_are_findings(train: Train, tmp_path: Path) -> None:
    for number in range(70):
        write_image(tmp_path / "data" / "fox" / f"{number}.jpg", draw_scene(number))
    for number in range(19):
        write_image(tmp_path / "data" / "hen" / f"{number}.jpg", draw_scene(100 + number))
    assert run_audit(train, tmp_path / "data") == {
        "few": [("hen: 19",)],
        "uneven": [("fox: 70, hen: 19",)],
    }


def test_pictures_on_both_sides_of_a_split_in_folders_are_findings_and_not_trained_on(
    train: Train, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for number in range(30):
        part = "test" if number < 5 else "train"
        write_image(data / part / "fox" / f"{number}.jpg", draw_scene(number))
        write_image(data / part / "hen" / f"{number}.jpg", draw_scene(100 + number))
    write_image(data / "train" / "fox" / "again.jpg", draw_scene(2, 100, 120))
    findings = run_audit(train, data, "--size", "48")
    leak = ("test/fox/2.jpg", "train/fox/again.jpg")
    assert findings["across-split"] == [(*leak, "in test/ and in train/")]
    quick = ("--architecture", "cnn", "--size", "48", "--epochs", "1")
    result = train("fit", data, "--out", tmp_path / "run", *quick)
    assert result.exit_code == 0, result.stderr
    message = next(line for line in result.stderr.splitlines() if "train/fox/again.jpg" in line)
    assert "test/fox/2.jpg" in message
    assert "again.jpg" not in (tmp_path / "run" / "split.csv").read_text(encoding="utf-8")


def test_no_findings_are_one_line(train: Train, shapes: Path, tmp_path: Path) -> None:
    flags = ("--out", tmp_path / "audit.json", "--store", tmp_path, "--size", "48")
    result = train("audit", shapes, *flags)
    assert result.stdout.splitlines() == [
        f"{shapes}: 3 classes, 120 pictures", "No problems found."
    ]  # fmt: skip


def test_an_audit_in_the_folder_itself_leaves_nothing_behind(
    train: Train, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "photos"
    shutil.copytree(shapes, data)
    (data / "bar" / "notes.txt").touch()
    monkeypatch.chdir(data)
    before = sorted(tmp_path.rglob("*"))
    result = train("audit", ".", "--size", "32")
    assert result.exit_code == 0, result.stderr
    assert "--out audit.json" in result.stdout.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_an_audit_beside_the_runs_prepares_the_pictures_for_them(
    train: Train, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert train("audit", shapes, "--size", "32").exit_code == 0
    assert list(tmp_path.rglob("pictures.u8"))


def test_the_table_names_kind_count_example_and_advice(train: Train, odd_data: Path) -> None:
    flags = ("--out", odd_data.parent / "audit.json", "--store", odd_data.parent / ".store")
    lines = train("audit", odd_data, *flags).stdout.splitlines()
    row = next(line for line in lines if "damaged or cut short" in line)
    assert row.split()[:6] == ["1", "damaged", "or", "cut", "short", "fox/cut.jpg"]
    assert row.rstrip().endswith(FINDING_KINDS["truncated"].advice)
    assert len(lines) == 2 + 16 + 1
    printed = train("audit", odd_data, *flags, "--json").stdout
    assert json.loads(printed) == json.loads((odd_data.parent / "audit.json").read_bytes())


def test_quarantine_writes_a_list_and_moves_nothing(train: Train, odd_data: Path) -> None:
    before = sorted(odd_data.rglob("*"))
    run_audit(train, odd_data, "--quarantine", odd_data.parent / "aside")
    assert sorted(odd_data.rglob("*")) == before
    (path,) = (odd_data.parent / "aside").iterdir()
    assert path.name == "quarantine.csv"
    assert path.read_text(encoding="utf-8").splitlines() == [
        "file,reason",
        "fox/03.jpg,same file in several classes",
        "fox/cut.jpg,damaged or cut short",
        "fox/twin.jpg,\"same file twice in a class, as fox/05.jpg\"",
        "fox/words.jpg,not a picture",
        "hen/copy-of-fox.jpg,same file in several classes",
    ]  # fmt: skip


def test_apply_moves_what_is_listed_and_loses_nothing(train: Train, odd_data: Path) -> None:
    aside = odd_data.parent / "aside"
    twin = (odd_data / "fox" / "twin.jpg").read_bytes()
    run_audit(train, odd_data, "--quarantine", aside, "--apply")
    assert (aside / "fox" / "twin.jpg").read_bytes() == twin
    assert not (odd_data / "fox" / "twin.jpg").exists()
    assert (odd_data / "fox" / "05.jpg").exists()
    findings = run_audit(train, odd_data)
    assert not findings.keys() & {
        "unreadable",
        "truncated",
        "identical",
        "identical-across-classes",
    }


def test_a_file_in_the_quarantine_is_never_overwritten(train: Train, odd_data: Path) -> None:
    there = write_image(odd_data.parent / "aside" / "fox" / "twin.jpg", draw_scene(1))
    before = there.read_bytes()
    flags = ("--out", odd_data.parent / "a.json", "--store", odd_data.parent / ".store")
    result = train("audit", odd_data, *flags, "--quarantine", odd_data.parent / "aside", "--apply")
    assert result.exit_code == 1
    assert str(there) in result.stderr
    assert there.read_bytes() == before
    assert (odd_data / "fox" / "cut.jpg").exists()


@pytest.mark.parametrize("flag", ["--quarantine", "--store", "--out"])
@pytest.mark.parametrize("place", [".", "aside", "../data"])
def test_an_output_within_the_data_is_refused(
    train: Train, odd_data: Path, flag: str, place: str
) -> None:
    before = sorted(odd_data.parent.rglob("*"))
    result = train("audit", odd_data, flag, odd_data / place)
    assert result.exit_code == 2
    assert f"{odd_data / place} would lie among the photographs" in result.stderr
    assert sorted(odd_data.parent.rglob("*")) == before


def test_apply_needs_a_quarantine(train: Train, odd_data: Path) -> None:
    assert train("audit", odd_data, "--apply").exit_code == 2


@pytest.mark.parametrize("flag", ["--quarantine", "--store"])
def test_a_link_in_a_circle_is_named(train: Train, shapes: Path, tmp_path: Path, flag: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    result = train("audit", shapes, "--size", "32", flag, tmp_path / "loop")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path / 'loop'}")


def test_pictures_of_a_format_that_is_not_read_are_named(train: Train, shapes: Path) -> None:
    data = shapes.parent / "with-phones"
    shutil.copytree(shapes, data)
    (data / "camera").mkdir()
    (data / "camera" / "IMG_1.CR3").write_bytes(b"\0\0\0\x18ftypcrx ")
    findings = run_audit(train, data, "--size", "48")
    assert findings["empty"] == [("camera",)]
    assert [finding[0] for finding in findings["stray"]] == ["camera/IMG_1.CR3"]


def test_names_of_any_bytes_are_read_and_escaped(train: Train, shapes: Path) -> None:
    data = shapes.parent / "odd-names"
    shutil.copytree(shapes, data)
    names = [b"latin\xe9.png", b"two\nlines.png", b"\x1b]0;title.png"]
    for number, name in enumerate(names):
        (data / "bar" / f"{number:03}.png").rename(data / "bar" / os.fsdecode(name))
    (data / "bar" / os.fsdecode(b"\n\xe9.jpg")).write_text("no picture", encoding="utf-8")
    flags = ("--size", "32", "--architecture", "cnn", "--epochs", "1")
    result = train("fit", data, "--out", shapes.parent / "odd-run", *flags)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("bar/\\n\\udce9.jpg") == 2  # in the table, and as left out
    run = shapes.parent / "odd-run"
    assert all(name in (run / "split.csv").read_bytes() for name in names)
    left_out = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["left_out"]
    assert list(map(os.fsencode, left_out)) == [b"bar/\n\xe9.jpg"]
    audit = json.loads((run / "audit.json").read_text(encoding="utf-8"))
    assert [one["files"] for one in audit["findings"] if one["kind"] == "unreadable"] == [
        list(left_out)
    ]
    assert "\\n\\udce9.jpg</figcaption>" in (run / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def mislabelled(draw_shapes: Callable[[Path, int], Path], tmp_path: Path) -> Path:
    """Drawn shapes, two discs of which lie among the squares."""
    data = draw_shapes(tmp_path / "data", 30)
    for number in range(2):
        (data / "disc" / f"{number:03}.png").rename(data / "square" / f"disc-{number}.png")
    return data


def test_likely_label_errors_are_findings_if_asked_for(
    train: Train, mislabelled: Path, tmp_path: Path
) -> None:
    flags = ("--out", tmp_path / "audit.json", "--store", tmp_path / "store", "--size", "64")
    assert "label" not in run_audit(train, mislabelled, "--size", "64")
    quarantine = ("--quarantine", tmp_path / "aside", "--apply")
    result = train("audit", mislabelled, *flags, "--label-errors", *quarantine)
    assert result.exit_code == 0, result.stderr
    findings = json.loads((tmp_path / "audit.json").read_bytes())["findings"]
    listed = [one["files"][0] for one in findings if one["kind"] == "label"]
    assert set(listed[:2]) == {"square/disc-0.png", "square/disc-1.png"}
    for file in listed:  # listed to be looked at, and never moved
        assert (mislabelled / file).exists()
        assert file in result.stdout

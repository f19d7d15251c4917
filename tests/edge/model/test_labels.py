"""Files of labels, as people and tools write them."""

from pathlib import Path

import pytest

from vedette_edge.errors import LabelsError
from vedette_edge.model.labels import parse_labels, read_labels

IMAGENET = Path(__file__).parents[4] / "shared" / "models" / "imagenet_labels.txt"


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\nred kite",
        "cat\r\ndog\r\nred kite\r\n\r\n",
        "\ufeffcat\ndog\nred kite\n",
        "0 cat\n1 dog\n2 red kite\n",
        "0: cat\n1: dog\n2: red kite\n",
        "0,cat\n1,dog\n2,red kite\n",
        "  0  cat\n  1\tdog\n  2  red kite\n",
        "2 red kite\n0 cat\n1 dog\n",
    ],
)
def test_one_label_a_line_with_or_without_the_number_of_its_output(text: str) -> None:
    assert parse_labels(text) == ("cat", "dog", "red kite")


@pytest.mark.parametrize(
    "labels",
    [
        ("1 euro", "2 euro", "5 euro"),  # not from 0 on
        ("0 cat", "1 dog", "kite"),  # not all
        ("0 cat", "2 dog", "2 kite"),  # not each once
        ("7", "8", "9"),
        ("0", "1"),
        ("0cat", "1dog"),
    ],
)
def test_numbers_that_are_no_output_numbers_belong_to_the_label(labels: tuple[str, ...]) -> None:
    assert parse_labels("\n".join(labels)) == labels


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "labels"),
        ("\ufeff\n \n", "labels"),
        ("cat\n\ndog\n", "line 2"),
        ("cat\ndog\x00\n", "line 2"),
        ("cat\ndog\tkite\n", "line 2"),
        ("cat\ndog\u2028kite\n", "line 2"),
        ("cat\ndog\ncat\n", "'cat'"),
        ("0 cat\n1 cat\n", "'cat'"),
        ("cat\n" + 201 * "a", "line 2 has 201 characters; expected labels of at most 200"),
    ],
)
def test_what_is_no_list_of_labels_is_an_error(text: str, named: str) -> None:
    with pytest.raises(LabelsError, match=named):
        parse_labels(text)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    with pytest.raises(LabelsError, match=r"labels\.txt"):
        read_labels(path)
    path.write_bytes(b"caf\xe9\nbar\n")
    with pytest.raises(LabelsError, match=r"labels\.txt.*UTF-8"):
        read_labels(path)
    path.write_bytes(b"cat\ncat\n")
    with pytest.raises(LabelsError, match=r"labels\.txt: duplicate labels: 'cat'"):
        read_labels(path)
    path.write_text(2 * "1\n2\n3\n4\n5\n", encoding="utf-8")
    with pytest.raises(LabelsError, match=r"'4', '5'\. Give"):
        read_labels(path)
    path.write_text(2 * "1\n2\n3\n4\n5\n6\n", encoding="utf-8")
    with pytest.raises(LabelsError, match=r"'4', '5' \.\.\.\. Give"):
        read_labels(path)
    path.write_bytes("café\nbar\n".encode("utf-8-sig"))
    assert read_labels(path) == ("café", "bar")


def test_a_large_file_is_refused_and_a_long_line_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"a\n" * (3 << 20))
    with pytest.raises(LabelsError, match="4 MiB"):
        read_labels(path)
    # Both lines take hours if the time grows with the square.
    path.write_bytes(b"0" * (4 << 20))
    with pytest.raises(LabelsError, match="line 1 has 4194304 characters"):
        read_labels(path)
    path.write_bytes(b"0" + b" " * (2 << 20) + b"x")
    assert read_labels(path) == ("x",)


def test_a_label_may_have_200_characters_and_no_more() -> None:
    assert parse_labels("hen\n" + 200 * "x") == ("hen", 200 * "x")
    with pytest.raises(LabelsError, match=r"line 2 has 201 characters; expected .* at most 200"):
        parse_labels("hen\n" + 201 * "x")


@pytest.mark.parametrize("size", [1000, 1001])
def test_equal_names_in_a_list_of_imagenets_size_are_told_apart(size: int) -> None:
    names = [f"thing {number}" for number in range(size)]
    names[135] = names[518] = "crane"
    labels = parse_labels("\n".join(names))
    assert len(set(labels)) == size
    assert (labels[0], labels[135], labels[518]) == ("thing 0", "crane [135]", "crane [518]")
    with pytest.raises(LabelsError, match="duplicate labels: 'crane'"):
        parse_labels("\n".join(names[:999]))


@pytest.mark.skipif(not IMAGENET.exists(), reason="shared/models is not there")
def test_the_usual_list_of_imagenet_is_read() -> None:
    labels = read_labels(IMAGENET)
    assert len(labels) == 1001
    assert (labels[0], labels[283]) == ("background", "tiger cat")

"""The limits of the samples in a model file."""

import cv2
import numpy as np
import pytest

from vedette_edge.errors import ImageError, ModelFileError
from vedette_edge.model.golden_samples import (
    FOLDER,
    Sample,
    parse_samples,
    read_sample_image,
    serialize_samples,
)


def serialize(count: int, length: int) -> bytes:
    """Serialize samples with names of so many characters."""
    names = [f"{number:0{length}}" for number in range(count)]
    return serialize_samples([Sample(name, "", "", "fox", (1.0,)) for name in names]).encode()


def test_a_model_has_32_samples_at_most_with_names_of_300_characters_at_most() -> None:
    assert len(parse_samples(serialize(32, 300))) == 32
    for count, length in ((33, 300), (32, 301)):
        with pytest.raises(ModelFileError, match=r"at most 32|more than 300"):
            parse_samples(serialize(count, length))


def test_an_image_of_a_sample_has_four_million_pixels_at_most() -> None:
    for rows, accepted in ((2000, True), (2001, False)):
        png = cv2.imencode(".png", np.zeros((rows, 2000, 3), np.uint8))[1].tobytes()
        if accepted:
            assert read_sample_image("a.png", {FOLDER + "a.png": png}).shape == (2000, 2000, 3)
        else:
            with pytest.raises(ImageError, match="4002000 pixels"):
                read_sample_image("a.png", {FOLDER + "a.png": png})

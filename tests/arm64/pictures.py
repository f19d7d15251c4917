"""Makes the folder of pictures that a workstation and a Pi are asked about.

    python pictures.py OUT [PHOTOGRAPHS]

At most 120 photographs of a folder, evenly spread and as they are; or else 120 parts of the two
that scikit-learn has, in 24 sizes up to 12 million pixels, some PNG, some turned by EXIF.
"""

import shutil
import sys
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_sample_images

from vedette_convert.golden import turned_jpeg
from vedette_edge.pictures import pictures_in
from vedette_edge.prepare import Picture

COUNT = 120
# width x height: cameras, phones, and what is no multiple of anything
SIZES = [
    *[(4056, 3040), (3280, 2464), (1920, 1080), (1640, 1232), (1296, 972), (1280, 720)],
    *[(1024, 768), (800, 600), (768, 1024), (720, 576), (640, 480), (640, 360)],
    *[(427, 640), (333, 500), (320, 240), (301, 299), (300, 225), (299, 301)],
    *[(240, 320), (192, 192), (160, 120), (151, 149), (150, 150), (97, 131)],
]


def chosen(photographs: Path, out: Path) -> None:
    """Copy COUNT of the photographs, with their folders' names in front."""
    files = pictures_in(photographs)
    for file in files[:: max(1, len(files) // COUNT)][:COUNT]:
        shutil.copy(file, out / f"{file.parent.name}-{file.name}")


def cut(out: Path) -> None:
    """Write COUNT parts of scikit-learn's photographs."""
    random, sources = np.random.default_rng(0), cycle(load_sample_images().images)
    sizes = cycle(SIZES)
    for number, source in zip(range(COUNT), sources, strict=False):
        width, height = next(sizes)
        part = _part(np.asarray(source, np.uint8), width / height, random)
        name, data = _encoded(np.asarray(cv2.resize(part, (width, height)), np.uint8), number)
        (out / name).write_bytes(data)


def _part(source: Picture, ratio: float, random: np.random.Generator) -> Picture:
    """A part of these proportions, of half to all of the height and width that fit."""
    share = random.uniform(0.5, 1.0)
    height = int(share * min(source.shape[0], source.shape[1] / ratio))
    width = int(height * ratio)
    top = random.integers(source.shape[0] - height + 1)
    left = random.integers(source.shape[1] - width + 1)
    return source[top : top + height, left : left + width]


def _encoded(picture_rgb: Picture, number: int) -> tuple[str, bytes]:
    """The name and the bytes of a file: every fifth PNG, every seventh turned."""
    if number % 7 == 0:
        return f"{number:03}-turned.jpg", turned_jpeg(picture_rgb, 90)
    ending = ".png" if number % 5 == 0 and picture_rgb.size < 2_000_000 else ".jpg"
    return f"{number:03}{ending}", cv2.imencode(ending, picture_rgb[..., ::-1])[1].tobytes()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        chosen(Path(sys.argv[2]), folder)
    else:
        cut(folder)

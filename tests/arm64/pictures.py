"""Makes the folder of pictures that a workstation and a Pi are asked about, from photographs.

python pictures.py parts OUT COUNT     parts of the three that scikit-learn and matplotlib bring
                                       along, in 24 sizes up to 12 million pixels, some PNG, some
                                       turned by EXIF
python pictures.py classes OUT         parts of them in class folders, to train on and to test
python pictures.py chosen OUT FOLDER   at most 120 pictures of a folder, evenly spread, as they are
"""

import shutil
import sys
from collections.abc import Callable, Mapping
from functools import cache
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
from matplotlib.cbook import get_sample_data
from sklearn.datasets import load_sample_images

from vedette_convert.packaging.golden_selection import encode_turned_jpeg
from vedette_edge.images import decoding, discovery
from vedette_edge.images.preprocessing import Image

MOST = 120
# width x height: cameras, phones, and what is no multiple of anything
SIZES = [
    *[(4056, 3040), (3280, 2464), (1920, 1080), (1640, 1232), (1296, 972), (1280, 720)],
    *[(1024, 768), (800, 600), (768, 1024), (720, 576), (640, 480), (640, 360)],
    *[(427, 640), (333, 500), (320, 240), (301, 299), (300, 225), (299, 301)],
    *[(240, 320), (192, 192), (160, 120), (151, 149), (150, 150), (97, 131)],
]


def chosen(out: Path, photographs: str) -> None:
    """Copy at most MOST of the photographs, with their folders' names in front."""
    files = discovery.find_images(Path(photographs))
    for file in files[:: max(1, len(files) // MOST)][:MOST]:
        shutil.copy(file, out / f"{file.parent.name}-{file.name}")


def parts(out: Path, count: str) -> None:
    """Write parts, in turn of each photograph and in each size."""
    random, sizes = np.random.default_rng(0), cycle(SIZES)
    for number, source in zip(range(int(count)), cycle(_photographs().values()), strict=False):
        name, data = _encoded(_part(source, next(sizes), random), number)
        (out / name).write_bytes(data)


def classes(out: Path) -> None:
    """Write OUT/train and OUT/test with a folder for each photograph."""
    random = np.random.default_rng(1)
    for part, count in (("train", 20), ("test", 4)):
        for label, source in _photographs().items():
            folder = out / part / label
            folder.mkdir(parents=True)
            for number in range(count):
                jpeg = cv2.imencode(".jpg", _part(source, (640, 480), random)[..., ::-1])[1]
                (folder / f"{number:03}.jpg").write_bytes(jpeg.tobytes())


@cache
def _photographs() -> Mapping[str, Image]:
    """Real ones, and what each shows."""
    temple, flower = (np.asarray(one, np.uint8) for one in load_sample_images().images)
    officer = decoding.read_image(Path(get_sample_data("grace_hopper.jpg", asfileobj=False)))
    return {"temple": temple, "flower": flower, "officer": officer}


def _part(source: Image, size: tuple[int, int], random: np.random.Generator) -> Image:
    """A part, half to all of the height and width that fit, in this size, width x height."""
    ratio = size[0] / size[1]
    share = random.uniform(0.5, 1.0)
    height = int(share * min(source.shape[0], source.shape[1] / ratio))
    width = int(height * ratio)
    top = random.integers(source.shape[0] - height + 1)
    left = random.integers(source.shape[1] - width + 1)
    part = source[top : top + height, left : left + width]
    return np.asarray(cv2.resize(part, size), np.uint8)


def _encoded(picture_rgb: Image, number: int) -> tuple[str, bytes]:
    """The name and the bytes of a file: every fifth PNG, every seventh turned."""
    if number % 7 == 0:
        return f"{number:03}-turned.jpg", encode_turned_jpeg(picture_rgb, 90)
    ending = ".png" if number % 5 == 0 and picture_rgb.size < 2_000_000 else ".jpg"
    return f"{number:03}{ending}", cv2.imencode(ending, picture_rgb[..., ::-1])[1].tobytes()


WAYS: Mapping[str, Callable[..., None]] = {"parts": parts, "classes": classes, "chosen": chosen}

if __name__ == "__main__":
    way, folder, *more = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    WAYS[way](Path(folder), *more)

"""Augmentation: what a camera could have seen as well, of pictures that are for training.

A picture's changes depend on its key alone, never on the batch, the thread or the order.
"""

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image

Random = np.random.Generator

LUMA = np.array([0.299, 0.587, 0.114])  # how much R, G, B are seen: ITU-R BT.601

# How strong it is. Ranges are drawn from evenly, but for zoom and gains, whose logarithms are.
ROTATION_DEG = 10.0  # at most, either way
ZOOM = 0.95, 1.25  # below 1 the picture shrinks, and its edges are reflected around it
STRETCH = 1.1  # at most, of one side against the other
SHIFT = 0.06  # at most, in shares of the side
GAIN = 1.25  # at most, times or divided: exposure
GAMMA = 1.2  # at most, likewise
WHITE_BALANCE = 1.1  # at most, likewise, red and blue against green
SATURATION = 0.6, 1.4  # 0 is grey, 1 unchanged

BLURRED, BLUR_PX = 0.15, (0.4, 1.2)  # share of the pictures; standard deviation
MOVED, MOTION_PX = 0.1, (2.0, 5.0)  # share of the pictures; length of the smear
NOISY, NOISE = 0.15, (2.0, 10.0)  # share of the pictures; standard deviation in grey levels
COMPRESSED, JPEG_QUALITY = 0.15, (25, 75)  # share of the pictures; as libjpeg counts


def augment(pictures: Image, keys: Sequence[tuple[int, ...]], *, flip: bool) -> Image:
    """Each picture changed as its key says; uint8, pictures x height x width x 3, as it came.

    A key seeds `numpy.random.default_rng`: let it hold the run's seed, the pass and the
    picture's row. With `flip`, half of the pictures are mirrored left to right; without, a
    text stays readable and an arrow keeps its direction.
    """

    def change(one: tuple[Image, tuple[int, ...]]) -> Image:
        picture, key = one
        return augment_image(picture, np.random.default_rng(key), flip=flip)

    return np.stack(list(_start_workers().map(change, zip(pictures, keys, strict=True))))


def augment_image(picture: Image, random: Random, *, flip: bool) -> Image:
    """One picture on its way through a camera: hand, lens, exposure, sensor, file."""
    picture = move(picture, random, flip=flip)
    if random.random() < BLURRED:
        picture = apply_defocus(picture, random)
    if random.random() < MOVED:
        picture = apply_motion_blur(picture, random)
    picture = change_light(picture, random)
    if random.random() < NOISY:
        picture = add_noise(picture, random)
    if random.random() < COMPRESSED:
        picture = apply_jpeg(picture, random)
    return picture


def move(picture: Image, random: Random, *, flip: bool) -> Image:
    """Turned, zoomed, stretched, shifted and perhaps mirrored in one resampling."""
    height, width = picture.shape[:2]
    mirror = -1 if flip and random.random() < 0.5 else 1
    zoom, stretch = _draw_log_uniform(random, *ZOOM), _draw_factor(random, STRETCH) ** 0.5
    angle = np.deg2rad(random.uniform(-ROTATION_DEG, ROTATION_DEG))
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    turn = np.array([[cos * stretch * mirror, -sin], [sin * mirror, cos / stretch]])
    middle = np.array([width - 1, height - 1]) / 2
    offset = middle - turn @ middle + random.uniform(-SHIFT, SHIFT, 2) * (width, height)
    moved = cv2.warpAffine(
        picture,
        np.column_stack([turn, offset]),  # where in the old picture each new pixel comes from
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(moved, np.uint8)


def apply_defocus(picture: Image, random: Random) -> Image:
    """Blurred evenly, as by a lens that is not sharp."""
    blurred = cv2.GaussianBlur(picture, (0, 0), random.uniform(*BLUR_PX))
    return np.asarray(blurred, np.uint8)


def apply_motion_blur(picture: Image, random: Random) -> Image:
    """Blurred along a line, as by a hand or a thing that moves."""
    angle, length = random.uniform(0, np.pi), random.uniform(*MOTION_PX)
    across = np.arange(-2, 3)
    along = across * np.cos(angle) + across[:, np.newaxis] * np.sin(angle)
    aside = across[:, np.newaxis] * np.cos(angle) - across * np.sin(angle)
    line = np.clip(1 - np.abs(aside), 0, 1) * np.clip((length + 1) / 2 - np.abs(along), 0, 1)
    return np.asarray(cv2.filter2D(picture, -1, line / line.sum()), np.uint8)


def change_light(picture: Image, random: Random) -> Image:
    """Another exposure, contrast, white balance and saturation."""
    gain, gamma = _draw_factor(random, GAIN), _draw_factor(random, GAMMA)
    balance = np.array(
        [_draw_factor(random, WHITE_BALANCE), 1.0, _draw_factor(random, WHITE_BALANCE)]
    )
    saturation = random.uniform(*SATURATION)
    colour = saturation * np.eye(3) + (1 - saturation) * LUMA
    curve = 255 * (np.arange(256) / 255) ** gamma
    coloured = cv2.transform(picture, gain * balance[:, np.newaxis] * colour)
    return np.asarray(cv2.LUT(coloured, np.rint(curve).astype(np.uint8)), np.uint8)


def add_noise(picture: Image, random: Random) -> Image:
    """With noise in the brightness; that in the colours a camera smooths away."""
    deviation = random.uniform(*NOISE)
    grain = deviation * random.standard_normal(picture.shape[:2], np.float32)
    return np.asarray(cv2.add(picture, cv2.merge([grain] * 3), dtype=cv2.CV_8U), np.uint8)


def apply_jpeg(picture: Image, random: Random) -> Image:
    """As it comes back from a JPEG file."""
    quality = int(random.integers(*JPEG_QUALITY, endpoint=True))
    picture_bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, file = cv2.imencode(".jpg", picture_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR_RGB), np.uint8)


def _draw_log_uniform(random: Random, low: float, high: float) -> float:
    """Drawn so that its logarithm is even."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _draw_factor(random: Random, most: float) -> float:
    """Drawn from 1 / most to most, as likely above 1 as below."""
    return _draw_log_uniform(random, 1 / most, most)


@functools.cache
def _start_workers() -> ThreadPoolExecutor:
    """Threads, since OpenCV and numpy release the interpreter's lock; made at the first use."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="augment")

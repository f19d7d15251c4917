"""Augmentation: training images changed as another moment, light or camera could change them.

An image's changes depend only on its key, never on the batch, the thread or the order.
"""

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image

Random = np.random.Generator

LUMA = np.array([0.299, 0.587, 0.114])  # weights of R, G, B in brightness: ITU-R BT.601

# Strengths. Draws are uniform in these ranges; zoom and gains are uniform in their logarithm.
ROTATION_DEG = 10.0  # at most, either way
ZOOM = 0.95, 1.25  # below 1 the image shrinks, and its edges are reflected around it
STRETCH = 1.1  # at most, of one side against the other
SHIFT = 0.06  # at most, in shares of the side
GAIN = 1.25  # exposure: at most, times or divided
GAMMA = 1.2  # at most, likewise
WHITE_BALANCE = 1.1  # at most, likewise, red and blue against green
SATURATION = 0.6, 1.4  # 0 is grey, 1 unchanged
BLUR_PX = 0.4, 1.2  # standard deviation of defocus
MOTION_PX = 2.0, 5.0  # length of motion blur
NOISE = 2.0, 10.0  # standard deviation, grey levels
JPEG_QUALITY = 25, 75  # libjpeg's scale


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of the images that gets each of the occasional changes, 0..1."""

    defocus: float = 0.15
    motion_blur: float = 0.1
    noise: float = 0.15
    jpeg: float = 0.15


DEFAULT_SHARES = Shares()


def augment(images: Image, keys: Sequence[tuple[int, ...]], *, flip: bool) -> Image:
    """Change each image as its key says; uint8, images x height x width x 3, in and out.

    A key seeds `numpy.random.default_rng`: let it hold the run's seed, the pass and the image's
    row. With `flip`, half of the images are mirrored left to right; without, text stays readable
    and an arrow keeps its direction.
    """

    def change(one: tuple[Image, tuple[int, ...]]) -> Image:
        image, key = one
        return augment_image(image, np.random.default_rng(key), flip=flip)

    return np.stack(list(_start_workers().map(change, zip(images, keys, strict=True))))


def augment_image(
    image: Image, random: Random, *, flip: bool, shares: Shares = DEFAULT_SHARES
) -> Image:
    """Change one image in the order of a camera: hand, lens, exposure, sensor, file."""
    image = move(image, random, flip=flip)
    if random.random() < shares.defocus:
        image = apply_defocus(image, random)
    if random.random() < shares.motion_blur:
        image = apply_motion_blur(image, random)
    image = change_light(image, random)
    if random.random() < shares.noise:
        image = add_noise(image, random)
    if random.random() < shares.jpeg:
        image = apply_jpeg(image, random)
    return image


def move(image: Image, random: Random, *, flip: bool) -> Image:
    """Rotate, zoom, stretch, shift and perhaps mirror an image in one resampling."""
    height, width = image.shape[:2]
    mirror = -1 if flip and random.random() < 0.5 else 1
    zoom, stretch = _draw_log_uniform(random, *ZOOM), _draw_factor(random, STRETCH) ** 0.5
    angle = np.deg2rad(random.uniform(-ROTATION_DEG, ROTATION_DEG))
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    turn = np.array([[cos * stretch * mirror, -sin], [sin * mirror, cos / stretch]])
    middle = np.array([width - 1, height - 1]) / 2
    offset = middle - turn @ middle + random.uniform(-SHIFT, SHIFT, 2) * (width, height)
    moved = cv2.warpAffine(
        image,
        np.column_stack([turn, offset]),  # from a new pixel to its place in the old image
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(moved, np.uint8)


def apply_defocus(image: Image, random: Random) -> Image:
    """Blur an image evenly, as a lens out of focus does."""
    blurred = cv2.GaussianBlur(image, (0, 0), random.uniform(*BLUR_PX))
    return np.asarray(blurred, np.uint8)


def apply_motion_blur(image: Image, random: Random) -> Image:
    """Blur an image along a line, as a moving hand or object does."""
    angle, length = random.uniform(0, np.pi), random.uniform(*MOTION_PX)
    across = np.arange(-2, 3)
    along = across * np.cos(angle) + across[:, np.newaxis] * np.sin(angle)
    aside = across[:, np.newaxis] * np.cos(angle) - across * np.sin(angle)
    line = np.clip(1 - np.abs(aside), 0, 1) * np.clip((length + 1) / 2 - np.abs(along), 0, 1)
    return np.asarray(cv2.filter2D(image, -1, line / line.sum()), np.uint8)


def change_light(image: Image, random: Random) -> Image:
    """Change exposure, contrast, white balance and saturation."""
    gain, gamma = _draw_factor(random, GAIN), _draw_factor(random, GAMMA)
    balance = np.array(
        [_draw_factor(random, WHITE_BALANCE), 1.0, _draw_factor(random, WHITE_BALANCE)]
    )
    saturation = random.uniform(*SATURATION)
    colour = saturation * np.eye(3) + (1 - saturation) * LUMA
    curve = 255 * (np.arange(256) / 255) ** gamma
    coloured = cv2.transform(image, gain * balance[:, np.newaxis] * colour)
    return np.asarray(cv2.LUT(coloured, np.rint(curve).astype(np.uint8)), np.uint8)


def add_noise(image: Image, random: Random) -> Image:
    """Add noise to the brightness; cameras remove most noise of the colours."""
    deviation = random.uniform(*NOISE)
    grain = deviation * random.standard_normal(image.shape[:2], np.float32)
    return np.asarray(cv2.add(image, cv2.merge([grain] * 3), dtype=cv2.CV_8U), np.uint8)


def apply_jpeg(image: Image, random: Random) -> Image:
    """Encode an image as JPEG and decode it again."""
    quality = int(random.integers(*JPEG_QUALITY, endpoint=True))
    image_bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, file = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR_RGB), np.uint8)


def _draw_log_uniform(random: Random, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _draw_factor(random: Random, most: float) -> float:
    """A factor from 1 / most to most, as likely above 1 as below."""
    return _draw_log_uniform(random, 1 / most, most)


@functools.cache
def _start_workers() -> ThreadPoolExecutor:
    """Threads, since OpenCV and numpy release the GIL; started at the first use."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="augment")

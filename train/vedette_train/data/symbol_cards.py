"""The demonstration set: simulated camera frames of symbol cards, and a sheet to print them.

It needs no download: each card is a glyph of DejaVu Sans (the font that comes with matplotlib) on
paper, in a random pose in front of a random background.
"""

import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vedette_edge.files import atomic_write
from vedette_edge.images.encoding import encode_jpeg

_TABLE = """
    aeroplane ✈  anchor ⚓  arrow_down ⬇  arrow_left ⬅  arrow_right ➡
    arrow_up ⬆  atom ⚛  beamed_notes ♫  biohazard ☣  cat 🐱
    chess_king ♚  chess_knight ♞  chess_pawn ♟  chess_queen ♛  chess_rook ♜
    cloud ☁  club ♣  cow 🐮  crossed_swords ⚔  cup ☕
    diamond ♦  die_five ⚄  die_one ⚀  die_two ⚁  envelope ✉
    gear ⚙  hammer_and_pick ⚒  heart ♥  infinity ∞  lightning ⚡
    monkey 🐵  moon ☾  mouse 🐭  peace ☮  pencil ✎
    quaver ♪  radioactive ☢  recycling ♻  scales ⚖  scissors ✂
    skull ☠  smiley ☺  snowflake ❄  snowman ☃  star ★
    sun ☀  telephone ☎  umbrella ☂  wheelchair ♿  yin_yang ☯
"""
CARDS: dict[str, str] = dict(zip(_TABLE.split()[::2], _TABLE.split()[1::2], strict=True))

HEIGHT_PX, WIDTH_PX = 240, 320
CARD_PX = 256  # side of the flat card
GLYPH_SHARE = 0.78  # longer side of a glyph over the side of its card
JPEG_QUALITY = 90
PAGE_WIDTH_MM, PAGE_HEIGHT_MM, SIDE_MM = 210, 297, 90  # A4, and a printed card
CARDS_PER_PAGE = 6

Float = NDArray[np.float32]
Random = np.random.Generator
Pattern = Callable[[Random], Float]  # (240, 320), from 0 to 1


@dataclass(frozen=True, slots=True)
class CardImage:
    """One image of the set, before it is drawn."""

    path: Path
    part: str  # train, test or frames
    name: str  # of the card
    number: int  # from 1


def draw_card(glyph: str, random: Random) -> NDArray[np.uint8]:
    """One simulated camera frame of a held card: uint8 RGB, 240 high x 320 wide."""
    scene = draw_background(random)
    warp = partial(cv2.warpPerspective, M=place_card(random), dsize=(WIDTH_PX, HEIGHT_PX))
    cover = np.asarray(warp(np.ones((CARD_PX, CARD_PX), np.float32))[..., None], np.float32)
    scene *= 1 - _draw_shadow(cover, random)
    # Replicate the card beyond its edges, or the half-covered pixels there mix with black.
    card = warp(_draw_flat_card(glyph, random), borderMode=cv2.BORDER_REPLICATE)
    scene += cover * (card - scene)
    return _capture(scene * _draw_light(random), random)


@cache
def render_glyph(glyph: str) -> Float:
    """A glyph centred on a card: CARD_PX square, 0 = paper to 1 = ink; shared and read-only."""
    file = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    left, top, right, bottom = ImageFont.truetype(file, CARD_PX).getbbox(glyph)
    size = CARD_PX * GLYPH_SHARE * CARD_PX / max(right - left, bottom - top)
    font = ImageFont.truetype(file, size)
    left, top, right, bottom = font.getbbox(glyph)
    page = Image.new("L", (CARD_PX, CARD_PX))
    corner = ((CARD_PX - left - right) / 2, (CARD_PX - top - bottom) / 2)
    ImageDraw.Draw(page).text(corner, glyph, fill=255, font=font)
    mask = np.asarray(page, np.float32) / np.float32(255)
    mask.setflags(write=False)
    return mask


def _draw_flat_card(glyph: str, random: Random) -> Float:
    """The flat card in random paper and ink: (CARD_PX, CARD_PX, 3), 0 to 1."""
    paper = random.uniform(0.88, 1.0) * random.uniform(0.94, 1.0, 3)
    ink = random.uniform(0.02, 0.12) + random.uniform(0, 0.14, 3)
    mask = render_glyph(glyph).copy()
    if random.random() < 0.4:
        inset_px = int(random.integers(6, 13))
        opposite = CARD_PX - 1 - inset_px
        cv2.rectangle(mask, (inset_px, inset_px), (opposite, opposite), 1.0, 2)
    return np.asarray(paper + mask[..., None] * (ink - paper), np.float32)


def place_card(random: Random) -> NDArray[np.float64]:
    """The 3x3 homography from flat card to frame; the whole glyph stays in view."""
    roll = np.deg2rad(random.uniform(-9, 9))
    tilt_x, tilt_y = np.deg2rad(random.uniform(-16, 16, 2))
    side_px = HEIGHT_PX * random.uniform(0.82, 0.96)
    turn = cv2.Rodrigues(np.array([tilt_x, 0, 0]))[0] @ cv2.Rodrigues(np.array([0, tilt_y, 0]))[0]
    turn = turn @ cv2.Rodrigues(np.array([0, 0, roll]))[0]
    corners = np.array([(-0.5, -0.5, 0), (0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, 0.5, 0)]) @ turn.T
    projected = corners[:, :2] / (1 + corners[:, 2:] / 3) * side_px  # the eye is 3 cards away
    half_px = np.array([WIDTH_PX, HEIGHT_PX]) / 2
    room_px = np.maximum(half_px - 2 - GLYPH_SHARE * np.abs(projected).max(axis=0), 0)
    centre = half_px + np.minimum(room_px, (15, 8)) * random.uniform(-1, 1, 2)
    flat = np.array([(0, 0), (CARD_PX, 0), (CARD_PX, CARD_PX), (0, CARD_PX)], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(flat, (projected + centre).astype(np.float32)))


def _draw_shadow(cover: Float, random: Random) -> Float:
    """The share of light that the card takes from the background: (240, 320, 1), 0 to 0.6."""
    right_px, down_px = random.uniform(-14, 14), random.uniform(0, 16)
    shift = np.array([(1, 0, right_px), (0, 1, down_px)])
    moved = cv2.warpAffine(cover, shift, (WIDTH_PX, HEIGHT_PX))
    soft = cv2.GaussianBlur(moved, (0, 0), random.uniform(3, 10))
    return np.asarray(soft[..., None] * random.uniform(0.1, 0.6), np.float32)


def draw_background(random: Random) -> Float:
    """Two colours mixed by a random pattern, with grain: (240, 320, 3), 0 to 1."""
    patterns: tuple[Pattern, ...] = (
        _draw_gradient, _draw_clouds, _draw_stripes, _draw_checks, _draw_boxes,
    )  # fmt: skip
    pattern = patterns[random.integers(len(patterns))](random)[..., None]
    first, second = random.uniform(0.1, 0.8, (2, 1)) + random.uniform(-0.13, 0.13, (2, 3))
    grain = random.uniform(0, 0.05) * random.standard_normal(pattern.shape, np.float32)
    return np.asarray(np.clip(first + pattern * (second - first) + grain, 0, 1), np.float32)


def _draw_ramp(random: Random) -> Float:
    """Distance in pixels from the middle of the frame along a random direction: (240, 320)."""
    direction = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(np.float32)
    along = (x - WIDTH_PX / 2) * np.cos(direction) + (y - HEIGHT_PX / 2) * np.sin(direction)
    return np.asarray(along, np.float32)


def _draw_gradient(random: Random) -> Float:
    return np.asarray(0.5 + _draw_ramp(random) / 400, np.float32)


def _draw_clouds(random: Random) -> Float:
    cells = int(random.integers(3, 40))
    coarse = random.random((cells, cells), np.float32)
    smooth = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def _draw_stripes(random: Random) -> Float:
    wave = np.sin(_draw_ramp(random) * 2 * np.pi / random.uniform(12, 80))
    return np.asarray(np.clip(0.5 + random.uniform(0.5, 4) * wave, 0, 1), np.float32)


def _draw_checks(random: Random) -> Float:
    side_px = random.uniform(12, 50)
    odd = (_draw_ramp(random) // side_px + _draw_ramp(random) // side_px) % 2
    return np.asarray(odd, np.float32)


def _draw_boxes(random: Random) -> Float:
    """Overlapping upright boxes: shelves, doors and screens, seen from far away."""
    pattern = np.full((HEIGHT_PX, WIDTH_PX), random.random(), np.float32)
    for _ in range(random.integers(4, 14)):
        corners = random.uniform((0, 0), (WIDTH_PX, HEIGHT_PX), (2, 2)).astype(int).tolist()
        cv2.rectangle(pattern, corners[0], corners[1], random.random(), -1)
    return pattern


def _draw_light(random: Random) -> Float:
    """The gain of light and white balance at each pixel: (240, 320, 3)."""
    fall = 1 + _draw_ramp(random) / 200 * random.uniform(0, 0.3)
    balance = random.uniform(0.91, 1.09, 3)
    return np.asarray(random.uniform(0.65, 1.05) * fall[..., None] * balance, np.float32)


def _capture(scene: Float, random: Random) -> NDArray[np.uint8]:
    """The scene as a sensor records it: defocus or motion blur, then noise, then 8 bits."""
    if random.random() < 0.7:
        blurred = cv2.GaussianBlur(scene, (0, 0), random.uniform(0.3, 1.4))
    else:
        blurred = cv2.filter2D(scene, -1, build_motion_kernel(random))
    noise = random.standard_normal(scene.shape, np.float32) * random.uniform(0.005, 0.025)
    return (np.clip(blurred + noise, 0, 1) * 255).astype(np.uint8)


def build_motion_kernel(random: Random) -> Float:
    """A blur kernel, 9 x 9 and summing to 1: a line through the middle in a random direction."""
    direction = random.uniform(0, np.pi)
    reach = np.array([np.cos(direction), np.sin(direction)]) * random.uniform(1, 3.5)
    kernel = np.zeros((9, 9), np.float32)
    start, end = np.rint(4 - reach).astype(int).tolist(), np.rint(4 + reach).astype(int).tolist()
    cv2.line(kernel, start, end, 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


def count_cards(train_per_class: int, test_per_class: int) -> int:
    """The number of images in a set: those of both parts, and one frame for each class."""
    return len(CARDS) * (train_per_class + test_per_class + 1)


def draw_set(
    folder: Path,
    train_per_class: int,
    test_per_class: int,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> None:
    """Write cards/train/<class>/0001.jpg, and so on, in a folder.

    The photographs to train on are in cards/train and cards/test, one more frame a class in frames.
    Calls `advance` after each image. Replaces images of the same name and keeps other files. The
    same seed gives the same bytes. Raises ValueError for a negative seed.
    """
    pool = ThreadPoolExecutor()
    try:
        images = _list_images(folder, train_per_class, test_per_class)
        for _ in pool.map(partial(_write_image, seed=seed), images):
            advance()
    finally:
        pool.shutdown(cancel_futures=True)


def _list_images(folder: Path, train_per_class: int, test_per_class: int) -> Iterator[CardImage]:
    """The images of a set; creates the folders."""
    parts = (
        (folder / "cards", "train", train_per_class),
        (folder / "cards", "test", test_per_class),
        (folder, "frames", 1),
    )
    for name, (parent, part, count) in product(CARDS, parts):
        (parent / part / name).mkdir(parents=True, exist_ok=True)
        for number in range(1, count + 1):
            yield CardImage(parent / part / name / f"{number:04}.jpg", part, name, number)


def _write_image(image: CardImage, seed: int) -> None:
    """Draw one image with its own random generator, so that it depends on no other image."""
    source = zlib.crc32(f"{image.part}/{image.name}".encode())
    random = np.random.default_rng([seed, source, image.number])
    image.path.write_bytes(encode_jpeg(draw_card(CARDS[image.name], random), JPEG_QUALITY))


def draw_sheet(path: Path) -> None:
    """Write a PDF of all cards to print and cut out, six to an A4 page, replacing `path`."""
    names = list(CARDS)
    metadata = {"Title": "Symbol cards", "CreationDate": None}
    with atomic_write(path) as temporary, PdfPages(temporary, metadata=metadata) as pdf:
        for first in range(0, len(names), CARDS_PER_PAGE):
            pdf.savefig(_draw_page(names[first : first + CARDS_PER_PAGE]))


def _draw_page(names: list[str]) -> Figure:
    """An A4 page of up to six cards, 90 mm square, with thin lines to cut along."""
    figure = Figure(figsize=(PAGE_WIDTH_MM / 25.4, PAGE_HEIGHT_MM / 25.4))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, PAGE_WIDTH_MM), ylim=(0, PAGE_HEIGHT_MM))
    axes.set_axis_off()
    for index, name in enumerate(names):
        left_mm = (PAGE_WIDTH_MM / 2 - SIDE_MM) + SIDE_MM * (index % 2)
        bottom_mm = (PAGE_HEIGHT_MM + SIDE_MM) / 2 - SIDE_MM * (index // 2)
        _draw_on_page(axes, name, left_mm, bottom_mm)
    return figure


def _draw_on_page(axes: Axes, name: str, left_mm: float, bottom_mm: float) -> None:
    """Draw one card: its cut lines, its glyph as an outline, and its name beneath."""
    x, y = [left_mm, left_mm + SIDE_MM], [bottom_mm, bottom_mm + SIDE_MM]
    axes.plot([x[0], x[1], x[1], x[0], x[0]], [y[0], y[0], y[1], y[1], y[0]], "0.7", lw=0.4)
    outline = TextPath((0, 0), CARDS[name], size=100, prop=FontProperties(family="DejaVu Sans"))
    box = outline.get_extents()
    to_card = Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2)
    to_card.scale(SIDE_MM * GLYPH_SHARE / max(box.width, box.height))
    to_card.translate(left_mm + SIDE_MM / 2, bottom_mm + SIDE_MM / 2)
    axes.add_patch(PathPatch(to_card.transform_path(outline), facecolor="black", linewidth=0))
    label = name.replace("_", " ")
    axes.text(sum(x) / 2, bottom_mm + 4, label, ha="center", va="baseline", color="0.4", size=12)

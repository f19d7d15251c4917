"""The configuration of a watch, under the names of the flags of `vedette run`.

Imports no numpy: `vedette check` reads the same settings, also where numpy is broken.
"""

from dataclasses import asdict, dataclass

from vedette_edge.errors import SettingError


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Settings of a camera and its orientation; texts as the flags have them."""

    source: str | None  # as in --camera; None if it is not given
    size: tuple[int, int]  # width and height, px
    rotate: str  # degrees clockwise
    flip: str | None
    crop: str | None  # X,Y,W,H in px
    regions: tuple[str, ...]  # NAME=X,Y,W,H in px
    masks: tuple[str, ...] = ()  # X,Y,W,H in px
    certificate: str | None = None  # PEM file of a network camera
    live: bool = False
    loop: bool = False
    follow: bool = False


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """Settings of a watch, from the TOML file with flags over it.

    Raises SettingError if `enter` is below `leave`.
    """

    camera: CameraSettings
    every_frame: bool  # report every frame, not only changes
    smoothing: float  # seconds
    enter: float  # score, 0..1
    leave: float  # score, 0..1
    dwell: float  # seconds
    fps: float  # frames/s; 0: all
    motion: float  # share of the image, 0..1; 0: none
    heartbeat: float  # seconds; 0: none

    def __post_init__(self) -> None:
        check_hysteresis(self.enter, self.leave)

    def to_settings(self) -> dict[str, object]:
        """All settings but the source, for the log's start record."""
        settings = asdict(self.camera) | asdict(self)
        return {key: value for key, value in settings.items() if key not in ("camera", "source")}


def check_hysteresis(enter: float, leave: float) -> None:
    """Raise SettingError if a label would be given up at a score at which it takes over."""
    if enter < leave:
        raise SettingError(f"enter {enter:g} is below leave {leave:g}; lower leave or raise enter")

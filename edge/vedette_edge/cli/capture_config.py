"""The configuration of the camera and the capture process, from the settings of a watch."""

from vedette_edge.cameras import find_camera
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE, Region, parse_crop, parse_region
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.images.preprocessing import InputSpec, Preprocessing
from vedette_edge.watch.config import CameraSettings, WatchConfig


def build_camera_config(camera: CameraSettings) -> CameraConfig:
    """Build the configuration of the source."""
    return CameraConfig(
        camera.source or "",
        *camera.size,
        live=camera.live,
        loop=camera.loop,
        follow=camera.follow,
        certificate=camera.certificate or "",
    )


def build_orientation(camera: CameraSettings) -> Orientation:
    """Build the orientation. Raises SettingError for a crop that is not valid."""
    crop = parse_crop(camera.crop) if camera.crop else None
    return Orientation(int(camera.rotate), camera.flip or "", crop)


def build_masks(camera: CameraSettings) -> tuple[Region, ...]:
    """Build the regions to make black. Raises SettingError for one that is not valid."""
    return tuple(Region("mask", *parse_crop(text, "mask")) for text in camera.masks)


def build_capture_config(config: WatchConfig, contract: InputSpec) -> CaptureConfig:
    """Build the configuration of the capture process. Raises SettingError."""
    camera = build_camera_config(config.camera)
    return CaptureConfig(
        camera=camera,
        orientation=build_orientation(config.camera),
        input_spec=_build_input_spec(contract),
        regions=tuple(map(parse_region, config.camera.regions)) or (WHOLE,),
        max_fps=config.fps,
        motion=config.motion,
        every_frame=not (camera.live or find_camera(camera).endless),
        masks=build_masks(config.camera),
    )


def _build_input_spec(contract: InputSpec) -> InputSpec:
    """Copy what the capture process needs, without labels: all goes through a small pipe."""
    return Preprocessing(
        contract.height, contract.width, contract.resize_mode, contract.resize_rule
    )

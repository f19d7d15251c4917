"""Lets the unmodified picamera2 take frames from libcamera's virtual camera, on any machine.

Python imports this by itself where its folder is in PYTHONPATH, in every process. It gives to
picamera2, once that is imported, what only a Pi has:

- memory for frames: files in memory in place of /dev/dma_heap, with a plane for Y and one for U, V
- raw formats of a sensor, by which picamera2 learns its size
- with libcamera 0.4.0, a status of frames, which its virtual camera leaves to chance

Previews on a screen and DNG files are never made: what it imports for them is mocked.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from mmap import mmap
from types import ModuleType, SimpleNamespace
from typing import Any

PATCHED = "picamera2.picamera2"
ABSENT = ("pykms", "pidng", "pidng.camdefs", "pidng.core")


class _OnceImported(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != PATCHED:
            return None
        from unittest.mock import MagicMock  # slow to import, and not every process needs it

        sys.modules.update({absent: MagicMock() for absent in ABSENT})
        spec: Any = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def execute_and_patch(module: ModuleType) -> None:
            execute(module)
            _patch(module)

        spec.loader.exec_module = execute_and_patch
        found: ModuleSpec = spec
        return found


def _patch(picamera2: Any) -> None:
    picamera2.DmaAllocator = _memory_allocator()
    picamera2.Picamera2._get_raw_modes = _formats
    if picamera2.libcamera.CameraManager.singleton().version.startswith("v0.4."):
        picamera2.libcamera = _StatusIgnored(picamera2.libcamera)


def _memory_allocator() -> type[Any]:
    import libcamera
    from picamera2.allocators import Allocator

    class MemoryAllocator(Allocator):  # type: ignore[misc]  # picamera2 publishes no types
        def __init__(self) -> None:
            super().__init__()
            self.mapped_buffers: dict[Any, mmap] = {}
            self._buffers: dict[Any, list[Any]] = {}
            self.sync = lambda _, buffer, write: nullcontext(self.mapped_buffers[buffer])

        def allocate(self, configuration: Any, _use: object) -> None:
            for stream in configuration:
                made = [self._buffer(stream) for _ in range(stream.buffer_count)]
                self._buffers[stream.stream] = made

        def _buffer(self, stream: Any) -> Any:
            file = os.memfd_create("frame")
            os.ftruncate(file, stream.frame_size)
            luma = stream.stride * stream.size.height
            planes = []
            for offset, length in ((0, luma), (luma, stream.frame_size - luma)):
                plane = libcamera.FrameBuffer.Plane()
                plane.fd, plane.offset, plane.length = file, offset, length
                planes.append(plane)
            buffer = libcamera.FrameBuffer(planes)
            self.mapped_buffers[buffer] = mmap(file, stream.frame_size)
            return buffer

        def buffers(self, stream: Any) -> list[Any]:
            return self._buffers[stream]

    return MemoryAllocator


def _formats(camera: Any) -> list[dict[str, Any]]:
    """What it can give at all, in place of what its sensor can."""
    import libcamera

    viewfinder = camera.camera.generate_configuration([libcamera.StreamRole.Viewfinder])
    formats = viewfinder.at(0).formats
    return [
        {"format": str(one), "size": (size.width, size.height)}
        for one in formats.pixel_formats
        for size in formats.sizes(one)
    ]


class _StatusIgnored:
    """libcamera, to whose status of a frame each status is equal."""

    def __init__(self, libcamera: Any) -> None:
        class Status(libcamera.FrameMetadata.Status):  # type: ignore[misc]
            def __eq__(self, other: object) -> bool:
                return True

            def __hash__(self) -> int:
                return 0

        self._libcamera = libcamera
        self.FrameMetadata = SimpleNamespace(Status=SimpleNamespace(Success=Status(0)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._libcamera, name)


sys.meta_path.insert(0, _OnceImported())

"""Simulated devices: the watch's own output over MQTT, without a camera and a model.

    python -m tests.edge.fleet.devices PORT ID...

runs devices in a process of their own, which prints a line when all are online.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import cv2
import numpy as np
from tests.edge.mosquitto import make_config, wait_until

from vedette_edge.log.records import create_record
from vedette_edge.mqtt.device import Device
from vedette_edge.mqtt.output import MqttOutput

HARDWARE = "Raspberry Pi 4 Model B Rev 1.5"


def draw_jpeg(seed: int = 0) -> bytes:
    """A JPEG file of 320x240 of its own colour."""
    colour = np.random.default_rng(seed).integers(60, 200, 3)
    picture = np.full((240, 320, 3), colour, np.uint8)
    cv2.putText(picture, str(seed), (20, 140), cv2.FONT_HERSHEY_SIMPLEX, 3, (255, 255, 255), 5)
    return cv2.imencode(".jpg", picture)[1].tobytes()


class SimulatedDevice:
    """A device that sends what a test wants. Use it with `with`."""

    def __init__(self, port: int, device_id: str, regions: tuple[str, ...] = ()) -> None:
        device = Device(
            device_id, device_id, HARDWARE, "0.1.0", ("hen", "fox"), regions, model="birds.tflite"
        )
        config = make_config(port, device_id=device_id)
        self._output = MqttOutput(config, device, lambda command: None)

    def __enter__(self) -> "SimulatedDevice":
        self._output.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._output.close()

    @property
    def is_online(self) -> bool:
        return self._output.read_counters().connected and not self._output._outbox.count_waiting()

    def beat(self, **fields: object) -> None:
        """Send a heartbeat."""
        usual = {"up_s": 60, "fps": 9.8, "temperature_c": 51.5}
        self._output.write(create_record("heartbeat") | usual | fields)

    def change(self, label: str, jpeg: bytes | None = None, **fields: object) -> None:
        """Send a change of the label."""
        usual = {"label": label, "score": 0.97, "previous": "", "lasted_s": 1.0, "frame": 1}
        self._output.write(create_record("change") | usual | fields, jpeg)

    def lose_camera(self, reason: str) -> None:
        self._output.write(create_record("camera_lost") | {"reason": reason})

    def restore_camera(self) -> None:
        self._output.write(create_record("camera_restored") | {"lost_s": 3.0})

    def pause(self) -> None:
        self._output.publish_settings({"enter": 0.5, "leave": 0.35, "paused": True})


@contextmanager
def run_devices(port: int, names: Iterable[str]) -> Iterator[list[SimulatedDevice]]:
    """Run devices that have sent a heartbeat and a change each."""
    with ExitStack() as parts:
        devices = [parts.enter_context(SimulatedDevice(port, name)) for name in names]
        for number, device in enumerate(devices):
            device.beat()
            device.change(("fox", "hen")[number % 2], draw_jpeg(number))
        wait_until(lambda: all(device.is_online for device in devices))
        yield devices


def main(port: int, names: list[str]) -> None:
    """Run devices until the process is killed."""
    with run_devices(port, names):
        print("online", flush=True)  # noqa: T201  for who waits
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

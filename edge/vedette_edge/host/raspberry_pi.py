"""A Raspberry Pi's temperature and throttling."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# The bits of the firmware's get_throttled; 16 places higher, the same since the start.
# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
BITS = ("under-voltage", "frequency capped", "throttled", "too hot")
_SINCE_START = 16


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the processor and its power; None or empty where it is unknown."""

    temperature_c: float | None  # of the processor
    now: tuple[str, ...] = ()  # of BITS
    before: tuple[str, ...] = ()  # since the machine started, but not now

    @classmethod
    def from_throttled(cls, temperature_c: float | None, throttled: int) -> "Health":
        """Decode the number that get_throttled gives."""
        now, since = _name_bits(throttled), _name_bits(throttled >> _SINCE_START)
        return cls(temperature_c, now, tuple(name for name in since if name not in now))

    def fields(self) -> dict[str, object]:
        """The fields of a record; those that are unknown or fine are left out."""
        causes = [f"{name} now" for name in self.now] + [f"{name} before" for name in self.before]
        fields = {"temperature_c": self.temperature_c, "throttled": ", ".join(causes) or None}
        return {name: value for name, value in fields.items() if value is not None}


def read_health(sys: Path = Path("/sys")) -> Health:
    """Read the kernel's files below `sys`, which takes no time."""
    return Health.from_throttled(_read_temperature_c(sys), _read_throttled(sys) or _read_alarm(sys))


def _read_throttled(sys: Path) -> int:
    throttled = 0
    for path in sys.glob("devices/platform/*/*firmware/get_throttled"):
        with suppress(OSError, ValueError):
            throttled |= int(path.read_text(), 16)
    return throttled


def _read_alarm(sys: Path) -> int:
    """Under-voltage alone, which is all that kernels other than Raspberry Pi's own report."""
    for sensor in sys.glob("class/hwmon/hwmon*"):
        with suppress(OSError, ValueError):
            if (sensor / "name").read_text().strip() == "rpi_volt":
                return int((sensor / "in0_lcrit_alarm").read_text())
    return 0


def _name_bits(bits: int) -> tuple[str, ...]:
    return tuple(name for place, name in enumerate(BITS) if bits >> place & 1)


def _read_temperature_c(sys: Path) -> float | None:
    """The temperature of the zone cpu-thermal, a Pi's name for it, or else of the hottest zone."""
    zones: dict[str, float] = {}
    for zone in sys.glob("class/thermal/thermal_zone*"):
        with suppress(OSError, ValueError):
            kind = (zone / "type").read_text().strip()
            zones[kind] = int((zone / "temp").read_text()) / 1000  # from 1/1000 °C
    hottest = max(zones.values(), default=None)
    return zones.get("cpu-thermal", hottest)

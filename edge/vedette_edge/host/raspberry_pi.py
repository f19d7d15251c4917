"""What a Raspberry Pi says of itself: how hot it is, and what slows it down."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SYS = Path("/sys")

# The bits of the firmware's get_throttled; the same 16 places higher: since the machine started.
# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
BITS = ("under-voltage", "frequency capped", "throttled", "too hot")
_SINCE_START = 16


@dataclass(frozen=True, slots=True)
class Health:
    """None or empty where the machine does not say."""

    temperature_c: float | None  # of the processor
    now: tuple[str, ...] = ()  # of BITS
    before: tuple[str, ...] = ()  # since the machine started, and no more

    @classmethod
    def of(cls, temperature_c: float | None, throttled: int) -> "Health":
        """From the number that get_throttled gives."""
        now, since = _names(throttled), _names(throttled >> _SINCE_START)
        return cls(temperature_c, now, tuple(name for name in since if name not in now))

    def fields(self) -> dict[str, object]:
        """For a record; without what is not known or not wrong."""
        throttled = [f"{what} now" for what in self.now] + [
            f"{what} before" for what in self.before
        ]
        return {
            **({} if self.temperature_c is None else {"temperature_c": self.temperature_c}),
            **({"throttled": ", ".join(throttled)} if throttled else {}),
        }


def read_health(sys: Path = SYS) -> Health:
    """As the kernel tells it, from files that cost nothing to read. `sys` is for tests."""
    return Health.of(_temperature_c(sys), _throttled(sys) or _alarm(sys))


def _throttled(sys: Path) -> int:
    throttled = 0
    for path in sys.glob("devices/platform/*/*firmware/get_throttled"):
        with suppress(OSError, ValueError):
            throttled |= int(path.read_text(), 16)
    return throttled


def _alarm(sys: Path) -> int:
    """Under-voltage alone: all that kernels tell which are not Raspberry Pi's own."""
    for sensor in sys.glob("class/hwmon/hwmon*"):
        with suppress(OSError, ValueError):
            if (sensor / "name").read_text().strip() == "rpi_volt":
                return int((sensor / "in0_lcrit_alarm").read_text())
    return 0


def _names(bits: int) -> tuple[str, ...]:
    return tuple(name for place, name in enumerate(BITS) if bits >> place & 1)


def _temperature_c(sys: Path) -> float | None:
    """Of the zone cpu-thermal, as a Pi calls it, or else of the hottest zone."""
    found: dict[str, float] = {}
    for zone in sys.glob("class/thermal/thermal_zone*"):
        with suppress(OSError, ValueError):
            kind = (zone / "type").read_text().strip()
            found[kind] = int((zone / "temp").read_text()) / 1000  # from 1/1000 °C
    hottest = max(found.values(), default=None)
    return found.get("cpu-thermal", hottest)

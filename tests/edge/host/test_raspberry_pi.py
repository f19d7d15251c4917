"""A Pi's temperature and throttling are read from the files that its kernel has."""

from pathlib import Path

import pytest

from vedette_edge.host.raspberry_pi import Health, read_health

THROTTLED = {
    "Pi 4": "devices/platform/soc/soc:firmware/get_throttled",
    "Pi 5": "devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled",
}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    for number, (kind, temperature) in enumerate(
        [("gpu-thermal", 70_000), ("cpu-thermal", 51_121)]
    ):
        write(tmp_path / f"class/thermal/thermal_zone{number}/type", f"{kind}\n")
        write(tmp_path / f"class/thermal/thermal_zone{number}/temp", f"{temperature}\n")
    return tmp_path


def test_the_temperature_is_the_processors(zones: Path) -> None:
    assert read_health(zones) == Health(51.121)
    write(zones / "class/thermal/thermal_zone1/type", "x86_pkg_temp\n")
    assert read_health(zones).temperature_c == 70.0


@pytest.mark.parametrize("machine", THROTTLED)
def test_throttling_is_told_apart_from_what_was_before(zones: Path, machine: str) -> None:
    write(zones / THROTTLED[machine], "50005\n")
    health = read_health(zones)
    assert (health.now, health.before) == (("under-voltage", "throttled"), ())
    write(zones / THROTTLED[machine], "90001\n")
    assert read_health(zones).fields() == {
        "temperature_c": 51.121,
        "throttled": "under-voltage now, too hot before",
    }


def test_under_voltage_is_told_by_kernels_that_tell_no_more(tmp_path: Path) -> None:
    write(tmp_path / "class/hwmon/hwmon0/name", "cpu_thermal\n")
    write(tmp_path / "class/hwmon/hwmon1/name", "rpi_volt\n")
    write(tmp_path / "class/hwmon/hwmon1/in0_lcrit_alarm", "0\n")
    assert read_health(tmp_path).now == ()
    write(tmp_path / "class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    assert read_health(tmp_path).now == ("under-voltage",)


@pytest.mark.parametrize("text", ["", "nonsense", "0\n"])
def test_a_machine_that_says_nothing_has_no_fields(tmp_path: Path, text: str) -> None:
    assert read_health(tmp_path / "none").fields() == {}
    write(tmp_path / THROTTLED["Pi 4"], text)
    write(tmp_path / "class/thermal/thermal_zone0/temp", text)
    assert read_health(tmp_path).fields() == {}

"""Sizes of files for people."""

from vedette_convert.report.units import format_size


def test_small_files_have_a_small_unit() -> None:
    sizes = [format_size(count) for count in (1_900, 99_940, 100_000, 5_330_000)]
    assert sizes == ["1.9 kB", "99.9 kB", "0.10 MB", "5.33 MB"]

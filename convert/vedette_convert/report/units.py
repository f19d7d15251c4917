"""Sizes of files for people."""


def format_size(count: int) -> str:
    """Format a number of bytes in the unit that fits."""
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"

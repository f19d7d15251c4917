"""A page in the browser, as tests look at it."""

from typing import Any

import numpy as np
from selenium.webdriver import Chrome


def text(chrome: Chrome, selector: str = "body") -> str:
    """The text that a part of the page shows."""
    script = "return document.querySelector(arguments[0]).innerText"
    return str(chrome.execute_script(script, selector))


def logged(chrome: Chrome, log: str) -> list[Any]:
    """The lines of a log of the browser since it was last asked."""
    return list(chrome.get_log(log))  # type: ignore[no-untyped-call]  # selenium gives no types


def find_violations(chrome: Chrome, axe: str) -> list[str]:
    """Find what axe-core has to say of the accessibility of the page."""
    chrome.execute_script(axe)
    run = "const done = arguments[0]; axe.run().then((result) => done(result.violations))"
    violations: list[dict[str, Any]] = chrome.execute_async_script(run)
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in violations]


def style(chrome: Chrome, selector: str, name: str) -> str:
    """A computed property of the first element that matches."""
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return str(chrome.execute_script(script, selector, name))


def luminance(colour: str) -> float:
    """Relative luminance of an rgb(...), by WCAG 2.2."""
    channels = np.array([int(part) for part in colour[4:-1].split(",")]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: float, other: float) -> float:
    """Contrast ratio of two luminances, by WCAG 2.2."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)

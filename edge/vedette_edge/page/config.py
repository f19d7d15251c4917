"""The configuration of the live page. Imports neither starlette nor numpy."""

from dataclasses import dataclass, field
from pathlib import Path

from vedette_edge.web.config import WebConfig


@dataclass(frozen=True, slots=True)
class PageConfig:
    """Settings of the page."""

    socket: Path  # of the watch
    web: WebConfig = field(default_factory=WebConfig)

"""The options of pages for a browser. Imports neither starlette nor numpy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from vedette_edge.cli.options import Decorator, collect_options, parse_each
from vedette_edge.click_types import FiniteFloat
from vedette_edge.errors import SettingError
from vedette_edge.web.config import Address, WebConfig, parse_address, parse_origin


def bind_option(port: int) -> Decorator:
    """Create the option of the addresses to serve on; `port` is the usual one."""

    def parse(
        context: click.Context, option: click.Parameter, texts: tuple[str, ...]
    ) -> tuple[Address, ...]:
        return parse_each(lambda text: parse_address(text, port), texts)

    return click.option(
        "--bind",
        "addresses",
        multiple=True,
        metavar="ADDRESS:PORT",
        callback=parse,
        show_default=f"{port} on this machine alone",
        help="Address to serve the page on.",
    )


def _parse_origins(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    return parse_each(parse_origin, texts)


web_options = collect_options(
    "web",
    WebConfig,
    click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="File with the token that viewers must give.",
    ),
    click.option(
        "--host", "hosts", multiple=True, metavar="NAME", help="Another name of this machine."
    ),
    click.option(
        "--frame-ancestor",
        "framers",
        multiple=True,
        metavar="ORIGIN",
        callback=_parse_origins,
        help="Let pages from there show this one in a frame.",
    ),
    click.option(
        "--idle-exit",
        "idle_s",
        type=FiniteFloat(0),
        default=0.0,
        help="End after so many seconds without a viewer; 0: never.",
    ),
)


@contextmanager
def advise_extras(extras: str) -> Iterator[None]:
    """Turn a failed import into a SettingError that says which extras to install."""
    try:
        yield
    except ImportError as error:
        advice = f"pip install 'vedette-edge[{extras}]'"
        raise SettingError(f"the page needs starlette and uvicorn: {advice}") from error

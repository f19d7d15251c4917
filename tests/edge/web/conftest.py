"""The live page serves as an example of a page."""

from tests.edge.page.conftest import folder, page, start, token_file, watch

__all__ = ["folder", "page", "start", "token_file", "watch"]

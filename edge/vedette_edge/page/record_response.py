"""JSON as the log has it."""

from collections.abc import Mapping

from starlette.responses import JSONResponse

from vedette_edge.log.records import encode_record


class RecordResponse(JSONResponse):
    """JSON that may have names which are no Unicode, and scores that are no numbers."""

    def render(self, content: Mapping[str, object]) -> bytes:
        """Encode the content as the log does."""
        return encode_record(content)

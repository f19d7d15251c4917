"""Thresholds on the page: their effect on today's labels, and a change that was asked for."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vedette_edge.errors import ProtocolError, SettingError
from vedette_edge.live.client import LiveClient
from vedette_edge.live.protocol import Packet
from vedette_edge.live.score_history import ScoreHistory, decode_score_history
from vedette_edge.page.history import parse_time
from vedette_edge.page.record_response import RecordResponse
from vedette_edge.page.view import WatchInfo
from vedette_edge.page.what_if import LabelRules, follow_labels
from vedette_edge.watch.config import check_hysteresis
from vedette_edge.watch.thresholds import parse_threshold
from vedette_edge.web.entry import NO_STORE, read_body
from vedette_edge.web.turns import Turns

NAMES = ("enter", "leave")
ANSWER_S = 2.0  # for the watch


class ThresholdRoutes:
    """Answers to requests about thresholds."""

    def __init__(self, socket: Path) -> None:
        """`socket` is the watch's."""
        self._socket, self._turns = socket, Turns()

    def list_routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("/api/what-if", self.show_what_if),
            Route("/api/thresholds", self.set_thresholds, methods=["POST"]),
        ]

    async def show_what_if(self, request: Request) -> Response:
        """Send the labels since a time by the rules of now, and by other thresholds."""
        query = request.query_params
        try:
            since_s = parse_time(query.get("since", ""))
            changes = {name: _parse_number(name, query[name]) for name in NAMES if name in query}
            async with self._turns.take(request):
                content = await asyncio.to_thread(self._compare, changes, since_s)
        except (OSError, ProtocolError, EOFError) as error:
            return RecordResponse({"error": f"no answer from the watch: {error}"}, 503)
        except (ValueError, SettingError) as error:
            return RecordResponse({"error": str(error)}, 400)
        return RecordResponse(content, headers=NO_STORE)

    def _compare(self, changes: Mapping[str, float], since_s: float) -> dict[str, object]:
        with LiveClient(self._socket, ANSWER_S) as client:
            client.request(["score_history"])
            info, history = WatchInfo(client.hello), decode_score_history(_read_answer(client))
        if history.entries["labels"].max() > len(info.labels):
            raise ProtocolError("the scores are of labels that the watch does not have")
        changed = {name: parse_threshold(name, value) for name, value in changes.items()}
        proposed = {**history.rules, **changed}
        check_hysteresis(proposed["enter"], proposed["leave"])
        regions = [
            {
                "region": name,
                "present": _follow(history, number, info, history.rules, since_s),
                "proposed": _follow(history, number, info, proposed, since_s),
            }
            for number, name in enumerate(history.regions)
        ]
        return {**history.rules, "since": max(since_s, history.find_begin()), "regions": regions}

    async def set_thresholds(self, request: Request) -> Response:
        """Set `enter` and `leave` as the JSON in the request says; null is the configured value."""
        body = await read_body(request)
        if isinstance(body, Response):
            return body
        try:
            changes = _parse_changes(body)
            async with self._turns.take(request):
                await asyncio.to_thread(self._set, changes)
        except (OSError, ProtocolError, EOFError) as error:
            return RecordResponse({"error": f"no answer from the watch: {error}"}, 503)
        except SettingError as error:
            return RecordResponse({"error": str(error)}, 400)
        return Response(status_code=204)

    def _set(self, changes: Mapping[str, object]) -> None:
        with LiveClient(self._socket, ANSWER_S) as client:
            client.set_thresholds(changes)
            _read_answer(client)


def _parse_number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise SettingError(f"{name} is {text!r:.40}; expected a number, such as 0.6") from error


def _parse_changes(body: bytes) -> dict[str, object]:
    """Parse what is to be set. Raises SettingError."""
    try:
        changes = json.loads(body)
    except (ValueError, RecursionError):
        changes = None
    if not isinstance(changes, dict) or not changes:
        raise SettingError('expected JSON such as {"enter": 0.6, "leave": 0.4}')
    return changes


def _read_answer(client: LiveClient) -> Packet:
    """Read the answer to a request. Raises SettingError if the watch refuses it."""
    packet = client.read()
    if packet.header.get("type") == "error":
        raise SettingError(str(packet.header.get("error")))
    return packet


def _follow(
    history: ScoreHistory, region: int, info: WatchInfo, rules: Mapping[str, float], since_s: float
) -> dict[str, object]:
    enter, leave, dwell_s = rules["enter"], rules["leave"], rules["dwell"]
    label_rules = LabelRules(info.labels, info.thresholds, enter, leave, dwell_s)
    return follow_labels(history, region, label_rules, since_s).describe()

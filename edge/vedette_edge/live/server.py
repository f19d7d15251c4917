"""The watch's socket: a thread that answers viewers, for whom the watch never waits."""

import errno
import logging
import math
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.errors import ProtocolError, SettingError
from vedette_edge.live.cached_packet import CachedPacket
from vedette_edge.live.frame import LiveFrame
from vedette_edge.live.listener import listen
from vedette_edge.live.parts import encode_part
from vedette_edge.live.protocol import (
    LARGEST_PACKET,
    LARGEST_REQUEST,
    PICTURES,
    VERSION,
    EncodedPacket,
    Packet,
    Request,
    encode_packet,
    parse_request,
)
from vedette_edge.live.viewer import Viewer
from vedette_edge.log.records import Record

MOST_VIEWERS = 16
MOST_RECORDS = 100  # waiting for the thread; further ones are dropped and counted
ACCEPT_S = 0.02  # between two viewers: a flood of connections costs the watch little
RETRY_S = 0.1  # after a viewer that could not be accepted
CLOSE_S = 0.3  # to wait for the thread at the end
NO_HISTORY = "this watch keeps no scores: it begins, classifies each picture alone, or has no page"
NO_THRESHOLDS = "this watch has no thresholds to set: it begins, or classifies each picture alone"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveCounters:
    """Counters of the socket since the start."""

    viewers: int  # now
    sent: int  # packets
    dropped: int  # packets for a viewer that does not read, and records that nobody took in time


class LiveServer:
    """Serves records and frames on a Unix socket. Use it with `with`.

    `write`, `wants_scores`, `wants_picture` and `put_frame` are for the watch's thread, and never
    wait.
    """

    def __init__(
        self,
        path: Path,
        hello: Mapping[str, object],
        read_metrics: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        """`hello` describes the watch to each viewer; `read_metrics` is called by the thread.

        Raises SettingError for an unusable path.
        """
        self._path, self._metrics = path, CachedPacket("metrics", read_metrics)
        self._hello = encode_packet(Packet({"type": "hello", "version": VERSION, **hello}))
        self._listener = listen(path)
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._viewers: dict[int, Viewer] = {}
        self._records: deque[Record] = deque()
        self._frame: LiveFrame | None = None
        self._wants_records = False
        self._scores_due_s = self._picture_due_s = math.inf  # by the monotonic clock
        self._sent = self._dropped = 0
        self._accepted_s = 0.0
        self.create_score_history: Callable[[], Packet] | None = None  # set where there is one
        self.set_thresholds: Callable[[Mapping[str, object]], None] | None = None  # the same
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def __enter__(self) -> "LiveServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def wants_scores(self) -> bool:
        """True if a viewer waits for a frame, and needs no original."""
        return self._scores_due_s <= time.monotonic()

    @property
    def wants_picture(self) -> bool:
        """True if one waits for a frame with its original."""
        return self._picture_due_s <= time.monotonic()

    def write(self, record: Mapping[str, object]) -> None:
        """Pass a record on to the viewers that have asked for records."""
        if not self._wants_records:
            return
        if len(self._records) >= MOST_RECORDS:
            self._dropped += 1
            return
        self._records.append(dict(record))
        os.eventfd_write(self._wake, 1)

    def put_frame(self, frame: LiveFrame) -> None:
        """Pass the newest frame on to the viewers that wait for one."""
        self._frame, self._scores_due_s = frame, math.inf  # until the thread has seen to it
        if frame.original:
            self._picture_due_s = math.inf
        os.eventfd_write(self._wake, 1)

    def read_counters(self) -> LiveCounters:
        """Return the counters."""
        return LiveCounters(len(self._viewers), self._sent, self._dropped)

    def close(self) -> None:
        """Close all connections, and remove the socket."""
        if self._closing:
            return
        self._closing = True
        os.eventfd_write(self._wake, 1)
        if self._thread.ident:
            self._thread.join(CLOSE_S)
        with suppress(OSError):
            self._path.unlink()
        if not self._thread.is_alive():
            for viewer in list(self._viewers.values()):
                self._drop(viewer)
            self._listener.close()
            self._selector.close()
            os.close(self._wake)

    def _run(self) -> None:
        while not self._closing:
            try:
                self._serve()
            except Exception:  # a bug of ours; the watch goes on
                logger.exception("the socket failed; the watch goes on")
                time.sleep(1)

    def _serve(self) -> None:
        """Wait for something to do, and do it."""
        for key, _ in self._selector.select():
            if key.fd == self._wake:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            elif key.fileobj is self._listener:
                self._accept()
            elif viewer := self._viewers.get(key.fd):
                self._read(viewer)
        while self._records:
            packet = encode_packet(Packet({"type": "record", "record": self._records.popleft()}))
            for viewer in [one for one in self._viewers.values() if one.records]:
                self._send(viewer, packet)
        frame, self._frame = self._frame, None
        if frame:
            self._show(frame)

    def _accept(self) -> None:
        if time.monotonic() - self._accepted_s < ACCEPT_S:
            time.sleep(ACCEPT_S)
        self._accepted_s = time.monotonic()
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it has gone, or the process has no descriptors left
            time.sleep(RETRY_S)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST_PACKET)
        viewer = Viewer(connection)
        if len(self._viewers) >= MOST_VIEWERS:
            self._refuse(viewer, f"{MOST_VIEWERS} viewers are connected; try again later")
            connection.close()
            return
        self._viewers[connection.fileno()] = viewer
        self._selector.register(connection, selectors.EVENT_READ)
        self._send(viewer, self._hello)

    def _read(self, viewer: Viewer) -> None:
        """Read a request. A viewer that sends none, or too many, is closed."""
        try:
            data = viewer.connection.recv(LARGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or viewer.is_flooding():
            self._drop(viewer)
            return
        try:
            self._take(viewer, parse_request(data))
        except ProtocolError as error:
            self._refuse(viewer, str(error))

    def _take(self, viewer: Viewer, request: Request) -> None:
        viewer.take(request)
        self._update_wants()
        if "score_history" in request.answers:
            self._send_score_history(viewer)
        if "metrics" in request.answers:
            self._send(viewer, self._metrics.encode())
        if request.thresholds:
            self._set_thresholds(viewer, request.thresholds)

    def _send_score_history(self, viewer: Viewer) -> None:
        if self.create_score_history is None:
            self._refuse(viewer, NO_HISTORY)
            return
        packet = self.create_score_history()
        if not self._is_behind(viewer):
            self._send(viewer, encode_packet(packet))

    def _set_thresholds(self, viewer: Viewer, thresholds: Mapping[str, object]) -> None:
        try:
            if self.set_thresholds is None:
                raise SettingError(NO_THRESHOLDS)
            self.set_thresholds(thresholds)
            self._send(viewer, encode_packet(Packet({"type": "set"})))
        except SettingError as error:
            self._refuse(viewer, str(error))

    def _show(self, frame: LiveFrame) -> None:
        """Send a frame to the viewers that wait for one; each part is created once."""
        created, now_s = dict[str, list[EncodedPacket]](), time.monotonic()
        with ExitStack() as stack:
            stack.callback(self._update_wants)  # also after an error, or nobody would ask again
            for viewer in [one for one in self._viewers.values() if one.due_s <= now_s]:
                if viewer.parts & PICTURES and frame.original is None:
                    continue  # one of the next frames has it
                if not (viewer.may_be_behind and self._is_behind(viewer)):
                    for part in viewer.parts - created.keys():
                        created[part] = encode_part(frame, part, stack)
                    if not all(created[part] for part in viewer.parts):
                        continue  # its picture was replaced; the same
                    for part in sorted(viewer.parts):
                        for packet in created[part]:
                            self._send(viewer, packet)
                viewer.plan(now_s)

    def _is_behind(self, viewer: Viewer) -> bool:
        """Leave an answer out for a viewer that has not read the last one: files would gather."""
        if viewer.connection.fileno() < 0:  # it has gone
            return True
        if not viewer.has_unread:
            return False
        viewer.dropped += 1
        self._dropped += 1
        return True

    def _send(self, viewer: Viewer, packet: EncodedPacket) -> None:
        """Send a packet, or drop and count it if the viewer does not read."""
        try:
            if viewer.dropped:
                notice = encode_packet(Packet({"type": "dropped", "packets": viewer.dropped}))
                viewer.connection.sendmsg(notice.pieces)
                viewer.dropped = 0
            socket.send_fds(viewer.connection, packet.pieces, packet.files)
            self._sent += 1
        except BlockingIOError:
            viewer.dropped += 1
            self._dropped += 1
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                size = sum(map(len, packet.pieces))
                self._refuse(viewer, f"{size:,} bytes are too many for a packet")
            else:
                self._drop(viewer)

    def _refuse(self, viewer: Viewer, reason: str) -> None:
        self._send(viewer, encode_packet(Packet({"type": "error", "error": reason})))

    def _drop(self, viewer: Viewer) -> None:
        if self._viewers.pop(viewer.connection.fileno(), None):
            self._selector.unregister(viewer.connection)
        viewer.connection.close()
        self._update_wants()

    def _update_wants(self) -> None:
        self._wants_records = any(one.records for one in self._viewers.values())
        due_s = {True: math.inf, False: math.inf}
        for viewer in self._viewers.values():
            needs_picture = bool(viewer.parts & PICTURES)
            due_s[needs_picture] = min(due_s[needs_picture], viewer.due_s)
        self._scores_due_s, self._picture_due_s = due_s[False], due_s[True]

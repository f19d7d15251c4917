"""A network camera: python camera_server.py PORT PICTURE.

Sends the JPEG again and again at /stream. At other paths, it sends nothing, and keeps the
connection.
"""

import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Sender(BaseHTTPRequestHandler):
    """Answers one request for a stream."""

    def do_GET(self) -> None:
        """Send pictures until the client closes the connection."""
        while self.path != "/stream":
            time.sleep(60)
        jpeg = Path(sys.argv[2]).read_bytes()
        head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(0.1)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sender).serve_forever()

"""A local file server with a speed limit per connection, as object storage has.

`python -m benchmarks.capped_http FOLDER MB_PER_SECOND` prints its port and serves until it is
ended.
"""

from __future__ import annotations

import http.client
import io
import re
import socketserver
import sys
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_SLICE_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    bytes_per_second: float

    def do_GET(self) -> None:  # http.server's name
        path = self.folder / Path(self.path).name
        size = path.stat().st_size
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        start, stop = (int(asked[1]), int(asked[2]) + 1) if asked else (0, size)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self._send(path, start, stop)

    def _send(self, path: Path, start: int, stop: int) -> None:
        begin = time.monotonic()
        with path.open("rb") as file:
            for at in range(start, stop, _SLICE_BYTES):
                self.connection.sendfile(file, at, min(_SLICE_BYTES, stop - at))
                due = begin + (at - start) / self.bytes_per_second
                time.sleep(max(0.0, due - time.monotonic()))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Say nothing."""


@dataclass(frozen=True)
class HttpSource:
    """A file behind the server, read as one in S3 is."""

    port: int
    name: str
    size_bytes: int
    connections: int = 4

    def open(self, start: int, stop: int) -> io.BufferedIOBase:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", f"/{self.name}", headers={"Range": f"bytes={start}-{stop - 1}"})
        return connection.getresponse()


def main() -> None:
    _Handler.folder = Path(sys.argv[1])
    _Handler.bytes_per_second = float(sys.argv[2]) * 1e6
    socketserver.TCPServer.request_queue_size = 64
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()

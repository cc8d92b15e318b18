"""A hub of models, played by a server of our own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "c0ffee" + "0" * 34
NAME = "someone/some-model"


class Hub(ThreadingHTTPServer):
    """As much of the hub's interface as its client asks for one model."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.folder = folder
        self.refusal: tuple[int, str] | None = None
        """Status and error code of every answer; or of those for files alone, where the code is GatedRepo."""
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    @classmethod
    @contextmanager
    def serving(cls, folder: Path) -> "Iterator[Hub]":
        """A hub that gives the files of this folder, whatever model it is asked for."""
        hub = cls(folder)
        threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True).start()
        yield hub
        hub.shutdown()
        hub.server_close()


class _Request(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        is_file = "/resolve/" in path
        if self.server.refusal is not None and (is_file or self.server.refusal[1] != "GatedRepo"):
            status, code = self.server.refusal
            self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": "no"} if code else {})
        elif is_file:
            file = self.server.folder / path.rpartition("/")[2]
            self._send(200, file.read_bytes(), {"ETag": f'"{file.name}"', "X-Repo-Commit": COMMIT})
        elif "/tree/" in path:
            files = sorted(self.server.folder.iterdir())
            listed = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40} for f in files]
            self._send(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
        else:
            model = {"id": NAME, "modelId": NAME, "sha": COMMIT, "siblings": [], "tags": [], "private": False}
            self._send(200, json.dumps(model).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...

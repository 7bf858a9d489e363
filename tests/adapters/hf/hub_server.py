"""A loopback stand-in for the hub: repositories with commits, files by range, tokens, and connections that break."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub:
    """What the server holds and what it has seen.

    Attributes:
        commits: Commit -> file name -> bytes.
        branches: Branch -> commit.
        token: What a caller must send, when anything.
        cut_after: Bytes of a large file after which the connection breaks, once per entry.
        requests: (method, path, range) of everything asked.
    """

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, bytes]] = {}
        self.branches: dict[str, str] = {}
        self.token = ""
        self.cut_after: list[int] = []
        self.requests: list[tuple[str, str, str]] = []
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.hub.requests.append((self.command, path, self.headers.get("Range", "")))
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._send(401, b"{}", {"X-Error-Message": "Invalid credentials"}, body=body)
        elif match := re.fullmatch(r"/api/(?:models|datasets)/org/tiny/revision/(\w+)", path):
            self._info(match[1], body)
        elif match := re.fullmatch(r"/api/(?:models|datasets)/org/tiny/tree/(\w+)", path):
            self._tree(match[1])
        elif match := re.fullmatch(r"/(?:datasets/)?org/tiny/resolve/(\w+)/(.+)", path):
            self._file(match[1], match[2], body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)

    def _info(self, revision: str, body: bool) -> None:
        commit = self.hub.branches.get(revision, revision)
        if commit not in self.hub.commits:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body=body)
            return
        files = [{"rfilename": name} for name in self.hub.commits[commit]]
        facts = {"id": "org/tiny", "sha": commit, "siblings": files, "private": False, "tags": [], "downloads": 0}
        self._send(200, json.dumps(facts).encode(), {"Content-Type": "application/json"}, body=body)

    def _tree(self, revision: str) -> None:
        files = self.hub.commits[self.hub.branches.get(revision, revision)]
        rows = [{"type": "file", "path": n, "size": len(b), "oid": _etag(b)} for n, b in files.items()]
        self._send(200, json.dumps(rows).encode(), {"Content-Type": "application/json"}, body=True)

    def _file(self, revision: str, name: str, body: bool) -> None:
        commit = self.hub.branches.get(revision, revision)
        content = self.hub.commits.get(commit, {}).get(name)
        if content is None:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"}, body=body)
            return
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_etag(content)}"', "Accept-Ranges": "bytes"}
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or ["", "0"])[1])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206 if start else 200, content[start:], headers, body=body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        if len(content) > 100_000 and self.hub.cut_after:
            self.wfile.write(content[: self.hub.cut_after.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(content)


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def serve() -> Iterator[Hub]:
    """Serve an empty hub for as long as the block lasts."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()

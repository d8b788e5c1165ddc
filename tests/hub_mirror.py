"""A small mirror of the Hugging Face hub on loopback: the API calls that downloading a repository takes.

Files come from a folder ``<root>/<owner>/<name>/``. Large files (weights) are announced by sha256, small ones by git's
sha1, as the hub does. ``drop_after`` makes the next download of a file break off after so many bytes, files named in
``refused`` are not found.
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class HubMirror:
    """Serves ``root`` on a free port of 127.0.0.1 while used as a context manager."""

    def __init__(self, root: Path, commit: str) -> None:
        self.root, self.commit = root, commit
        self.drop_after: dict[str, int] = {}
        self.refused: set[str] = set()
        self.requests: list[tuple[str, str, str | None]] = []
        mirror = self

        class Handler(_Handler):
            hub = mirror

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "HubMirror":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubMirror
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"] and parts[4:6] == ["tree", self.hub.commit]:
            self._send_json(self._tree(self.hub.root / parts[2] / parts[3]))
        elif parts[2:4] == ["resolve", self.hub.commit] and parts[-1] not in self.hub.refused:
            self._send_file(self.hub.root / parts[0] / parts[1] / "/".join(parts[4:]), with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RevisionNotFound" if "resolve" in parts or "tree" in parts else "")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _tree(self, folder: Path) -> list[dict]:
        entries = []
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                entry = {"type": "file", "path": file.relative_to(folder).as_posix(), "size": file.stat().st_size}
                entry["oid"] = git_sha1(file.read_bytes())
                if file.suffix == ".safetensors":
                    entry["lfs"] = {"oid": etag(file), "size": entry["size"], "pointerSize": 130}
                entries.append(entry)
        return entries

    def _send_json(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_file(self, file: Path, with_body: bool) -> None:
        data = file.read_bytes()
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if first else 200)
        self.send_header("ETag", f'"{etag(file)}"')
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("Accept-Ranges", "bytes")
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        if not with_body:
            return
        cut = self.hub.drop_after.pop(file.name, None)
        self.wfile.write(data[first:] if cut is None else data[first : first + cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.close()


def etag(file: Path) -> str:
    """Return what the hub announces for a file."""
    data = file.read_bytes()
    return hashlib.sha256(data).hexdigest() if file.suffix == ".safetensors" else git_sha1(data)


def git_sha1(data: bytes) -> str:
    """Return git's name of a blob."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()

"""A small mirror of the Hugging Face hub on loopback: the API calls that downloading a model or data set takes.

Files come from a folder ``<root>/<owner>/<name>/``. Large files (weights) are announced by sha256, small ones by git's
sha1, as the hub does. ``drop_after`` makes the next download of a file break off after so many bytes, files named in
``refused`` are not found.
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


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

    def do_POST(self) -> None:
        """Answer ``paths-info``: the tree's entries of the paths asked for."""
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        kind, repo, rest = self._route()
        if kind == "api" and rest[:2] == ["paths-info", self.hub.commit]:
            self._send_json([entry for entry in self._tree(repo) if entry["path"] in asked.get("paths", [])])
        else:
            self._send_nothing()

    def _route(self) -> tuple[str, Path, list[str]]:
        """Split a path into ``api`` or ``files``, the repository's folder, and what follows its name."""
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        kind = "files"
        if parts[0] == "api":
            kind, parts = "api", parts[1:]
        if parts[0] in ("models", "datasets"):
            parts = parts[1:]
        return kind, self.hub.root.joinpath(*parts[:2]), parts[2:]

    def _answer(self, with_body: bool) -> None:
        self.hub.requests.append((self.command, self.path, self.headers.get("Range")))
        kind, repo, rest = self._route()
        known = repo.is_dir() and self.hub.commit in rest
        if known and kind == "api" and rest[0] == "tree":
            recursive = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() == "true"
            self._send_json(self._tree(repo, "/".join(rest[2:]), recursive))
        elif known and kind == "api" and rest[0] == "revision":
            siblings = [{"rfilename": entry["path"]} for entry in self._tree(repo) if entry["type"] == "file"]
            name = "/".join(repo.parts[-2:])
            self._send_json({"id": name, "sha": self.hub.commit, "siblings": siblings, "tags": [], "private": False})
        elif known and rest[0] == "resolve" and rest[-1] not in self.hub.refused and repo.joinpath(*rest[2:]).is_file():
            self._send_file(repo.joinpath(*rest[2:]), with_body)
        else:
            self._send_nothing()

    def _send_nothing(self) -> None:
        self.send_response(404)
        missing = "EntryNotFound" if self.hub.commit in self.path else "RevisionNotFound"
        self.send_header("X-Error-Code", missing)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _tree(self, repo: Path, below: str = "", recursive: bool = True) -> list[dict]:
        entries = []
        for path in sorted(repo.joinpath(below).rglob("*") if recursive else repo.joinpath(below).glob("*")):
            entry = {"path": path.relative_to(repo).as_posix(), "oid": "0" * 40}
            if path.is_dir():
                entries.append({**entry, "type": "directory"})
                continue
            size = path.stat().st_size
            entry.update(type="file", size=size, oid=git_sha1(path.read_bytes()))
            if path.suffix == ".safetensors":
                entry["lfs"] = {"oid": etag(path), "size": size, "pointerSize": 130}
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

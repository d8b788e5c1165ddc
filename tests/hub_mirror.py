"""A small mirror of the Hugging Face hub on loopback: the API calls that downloading a model or data set takes, and,
with ``hub_uploads``, those of an upload.

Files come from a folder ``<root>/<owner>/<name>/``. Large files (weights) are announced by sha256, small ones by git's
sha1, as the hub does. Files are sent over plain HTTP. With ``xet``, weights are also announced as lying in Xet storage,
whose server has none of them. ``/raw/<path>`` is a file of ``root`` as any web server sends it.

``faults`` holds for a file's name what goes wrong when it is sent, one fault a request, in order:

    ("status", 503)   the answer is this status (for 429 with Retry-After: 0)
    ("drop", n)       the connection is closed after n bytes
    ("reset", n)      the connection is reset after n bytes
    ("stall", n)      nothing follows n bytes, until the server stops
    ("short", n)      the file is cut to n bytes, and said to be that long
    ("altered", n)    the lowest bit of byte n is another one

``refused`` files are not found; a repository in ``gated`` lists its files and sends none; "tree" is the listing.
"""

import hashlib
import json
import os
import socket
import struct
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from hub_uploads import Uploads

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = f"team/tiny@{COMMIT}"
FOUND, PARTIAL = 200, 206


class HubMirror:
    """Serves ``root`` on a free port of 127.0.0.1 while used as a context manager."""

    def __init__(self, root: Path, commit: str) -> None:
        self.root, self.commit = root, commit
        self.commits: dict[str, int] = {}
        self.created: dict[str, str] = {}
        self.objects: dict[str, bytes] = {}
        self.puts = 0
        self.faults: dict[str, list[tuple[str, int]]] = {}
        self.refused: set[str] = set()
        self.gated: set[str] = set()
        self.xet = False
        self.requests: list[tuple[str, str, str | None]] = []
        self.authorizations: set[str | None] = set()
        self.stalled, self.stopping = threading.Event(), threading.Event()
        mirror = self

        class Handler(_Handler):
            hub = mirror

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "HubMirror":
        # Asks often whether it is to stop, because every test that uses the mirror waits for that.
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def downloads(self, name: str) -> list[str | None]:
        """Return the Range header of each GET of the file ``name``."""
        return [sent for method, path, sent in self.requests if method == "GET" and path.endswith(f"/{name}")]

    def head(self, name: str) -> str:
        """Return the newest commit of a repository."""
        return f"{int(self.commit, 16) + self.commits.get(name, 0):040x}"

    def next_fault(self, name: str) -> tuple[str, int]:
        """Take the next fault of a file; none if all are used up."""
        return self.faults[name].pop(0) if self.faults.get(name) else ("none", 0)


class _Handler(Uploads):
    hub: HubMirror
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_POST(self) -> None:
        """Answer an upload's calls, and ``paths-info``: the tree's entries of the paths asked for."""
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.hub.authorizations.add(self.headers.get("Authorization"))
        kind, repo, rest = self._route()
        fault, status = self.hub.next_fault(rest[0] if rest else "create")
        if fault == "status":
            self._send_error(status)
        elif kind == "api" and rest[:2] == ["paths-info", self.hub.commit]:
            asked = parse_qs(sent).get("paths", [])
            self._send_json([entry for entry in self._tree(repo) if entry["path"] in asked])
        elif not self.answer_upload(repo, rest, sent):
            self._send_error(404, "EntryNotFound")

    def _route(self) -> tuple[str, Path, list[str]]:
        """Split a path into ``api``, ``raw`` or ``files``, the repository's folder, and what follows its name."""
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        kind = parts.pop(0) if parts[0] in ("api", "raw") else "files"
        if parts[0] in ("models", "datasets"):
            parts = parts[1:]
        return kind, self.hub.root.joinpath(*parts[:2]), parts[2:]

    def _answer(self, with_body: bool) -> None:
        # What the client looks up for its user agent, and Xet's storage.
        if self.path == "/api/agent-harnesses" or self.path.startswith("/storage/"):
            self._send_error(404)
            return
        self.hub.requests.append((self.command, self.path, self.headers.get("Range")))
        self.hub.authorizations.add(self.headers.get("Authorization"))
        kind, repo, rest = self._route()
        if kind == "raw":
            self._send_file(repo.joinpath(*rest), with_body)
        elif not repo.is_dir():
            self._send_error(401, "RepoNotFound")
        elif kind == "api" and not rest:
            self._send_info(repo)
        elif self.hub.commit not in rest:
            self._send_error(404, "RevisionNotFound")
        elif kind == "api":
            self._send_api(repo, rest)
        elif "/".join(repo.parts[-2:]) in self.hub.gated:
            self._send_error(403, "GatedRepo")
        elif rest[-1] in self.hub.refused or not repo.joinpath(*rest[2:]).is_file():
            self._send_error(404, "EntryNotFound")
        else:
            self._send_file(repo.joinpath(*rest[2:]), with_body)

    def _send_api(self, repo: Path, rest: list[str]) -> None:
        kind, status = self.hub.next_fault(rest[0])
        if kind == "status":
            self._send_error(status)
        elif rest[0] == "xet-read-token":
            self._send_xet_token()
        elif rest[0] == "tree":
            recursive = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() == "true"
            self._send_json(self._tree(repo, "/".join(rest[2:]), recursive))
        else:
            self._send_info(repo)

    def _send_info(self, repo: Path) -> None:
        siblings = [{"rfilename": entry["path"]} for entry in self._tree(repo) if entry["type"] == "file"]
        name = "/".join(repo.parts[-2:])
        private = self.hub.created.get(name) == "private"
        self._send_json({"id": name, "sha": self.hub.head(name), "siblings": siblings, "tags": [], "private": private})

    def _send_xet_token(self) -> None:
        self.send_response(FOUND)
        self.send_header("X-Xet-Cas-Url", f"{self.hub.endpoint}/storage")
        self.send_header("X-Xet-Access-Token", "any")
        self.send_header("X-Xet-Token-Expiration", str(1 << 40))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_error(self, status: int, code: str | None = None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if status == 429:
            self.send_header("Retry-After", "0")
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
                entry |= {"xetHash": etag(path)} if self.hub.xet else {}
            entries.append(entry)
        return entries

    def _send_json(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(FOUND)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_file(self, file: Path, with_body: bool) -> None:
        fault, number = self.hub.next_fault(file.name) if with_body else ("none", 0)
        if fault == "status":
            self._send_error(number)
            return
        data = file.read_bytes()
        if fault == "short":
            data = data[:number]
        elif fault == "altered":
            data = data[:number] + bytes([data[number] ^ 1]) + data[number + 1 :]
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(PARTIAL if first else FOUND)
        self.send_header("ETag", f'"{etag(file)}"')
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("Accept-Ranges", "bytes")
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        if with_body:
            breaks_off = fault in ("drop", "reset", "stall")
            self.wfile.write(data[first : first + number] if breaks_off else data[first:])
            if breaks_off:
                self._break_off(fault)

    def _break_off(self, fault: str) -> None:
        self.close_connection = True
        if fault == "stall":
            self.hub.stalled.set()
            self.hub.stopping.wait(60)
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())  # the only way past the orderly end that the server's class sends


def etag(file: Path) -> str:
    """Return what the hub announces for a file."""
    data = file.read_bytes()
    return hashlib.sha256(data).hexdigest() if file.suffix == ".safetensors" else git_sha1(data)


def git_sha1(data: bytes) -> str:
    """Return git's name of a blob."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()

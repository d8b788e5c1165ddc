"""The part of the hub's mirror that takes uploads: the API calls that making a repository and a commit take.

Files that git holds come with the commit, the others (weights) by LFS before it. Each commit has a new name
(``HubMirror.head``), but only the newest files can be read. ``created`` says how repositories were made.
"""

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

MADE_ALREADY, CHANGED = 409, 412


class Uploads(BaseHTTPRequestHandler):
    """Answers to what an upload asks; how to send an answer is the mirror's."""

    def answer_upload(self, repo: Path, rest: list[str], sent: str) -> bool:
        """Answer a POST that belongs to an upload; say whether it was one."""
        if self.path == "/api/validate-yaml":
            self._send_json({"errors": [], "warnings": []})
        elif self.path == "/api/repos/create":
            self._create(json.loads(sent))
        elif rest[-2:] == ["objects", "batch"]:
            asked = json.loads(sent)["objects"]
            self._send_json({"transfer": "basic", "objects": [self._lfs_object(one) for one in asked]})
        elif rest[:1] == ["preupload"]:
            self._send_json({"files": [_upload_mode(file["path"]) for file in json.loads(sent)["files"]]})
        elif rest[:1] == ["commit"]:
            self._commit(repo, [json.loads(line) for line in sent.splitlines()])
        else:
            return False
        return True

    def do_PUT(self) -> None:
        """Take a file by LFS."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.puts += 1
        self.hub.objects[hashlib.sha256(data).hexdigest()] = data
        self._send_json({})

    def _create(self, asked: dict) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if (self.hub.root / name).exists():
            self._send_error(MADE_ALREADY)
            return
        (self.hub.root / name).mkdir(parents=True)
        (self.hub.root / name / ".gitattributes").touch()
        self.hub.created[name] = asked.get("visibility", "public")
        self._send_json({"url": f"{self.hub.endpoint}/{name}"})

    def _lfs_object(self, asked: dict) -> dict:
        to = {"upload": {"href": f"{self.hub.endpoint}/storage/{asked['oid']}"}}
        return asked if asked["oid"] in self.hub.objects else {**asked, "actions": to}

    def _commit(self, repo: Path, lines: list[dict]) -> None:
        name = "/".join(repo.parts[-2:])
        header, *operations = lines
        if header["value"].get("parentCommit", self.hub.head(name)) != self.hub.head(name):
            self._send_error(CHANGED)
            return
        for operation in operations:
            value = operation["value"]
            file = repo / value["path"]
            if operation["key"] == "deletedFile":
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            by_git = operation["key"] == "file"
            file.write_bytes(base64.b64decode(value["content"]) if by_git else self.hub.objects[value["oid"]])
        self.hub.commits[name] = self.hub.commits.get(name, 0) + 1
        head = self.hub.head(name)
        self._send_json({"commitUrl": f"{self.hub.endpoint}/{name}/commit/{head}", "commitOid": head})


def _upload_mode(path: str) -> dict:
    by = "lfs" if path.endswith((".safetensors", ".parquet")) else "regular"
    return {"path": path, "uploadMode": by, "shouldIgnore": False}

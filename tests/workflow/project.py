"""Running the real workflow in copies of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support import PROJECT_PARTS, copy_project

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
JOB = re.compile(r"^Job \d+: (.+)$", re.MULTILINE)


class Project:
    """A copy of the project in a folder of its own, and what Snakemake does there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(self, *options: str, config: str = "config/demo.yaml", **environment: str):
        """Run Snakemake; return the finished process with its output in one string."""
        command = [str(SNAKEMAKE), "--cores", "2", "--configfile", config, *options]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def run(self, *options: str, **keywords: str) -> str:
        """Run the workflow; it must succeed."""
        done = self.snakemake(*options, **keywords)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def stale(self, *options: str, **keywords: str) -> list[str]:
        """Return the messages of the jobs that would run, sorted."""
        return sorted(JOB.findall(self.run("--dry-run", *options, **keywords)))

    def clone(self, folder: Path) -> "Project":
        """Copy project, results and Snakemake's metadata, with new time stamps, as a fresh clone has."""
        copy_tree = {"copy_function": shutil.copyfile}
        for part in PROJECT_PARTS:
            source = self.folder / part
            if source.is_dir():
                shutil.copytree(source, folder / part, **copy_tree)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, folder / part)
        shutil.copytree(self.folder / "results", folder / "results", **copy_tree)
        shutil.copytree(self.folder / ".snakemake" / "metadata", folder / ".snakemake" / "metadata", **copy_tree)
        return Project(folder)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace text that must be there."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} no longer holds {old!r}"
        path.write_text(text.replace(old, new))

    def write(self, file: str, text: str) -> None:
        """Write a file of the project."""
        (self.folder / file).write_text(text)


def new_project(folder: Path) -> Project:
    """Copy the project without results."""
    return Project(copy_project(folder))

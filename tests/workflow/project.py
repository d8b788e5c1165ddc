"""Running the real workflow in copies of the project."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Container
from contextlib import chdir
from pathlib import Path

from support import PROJECT_PARTS, copy_project

from l2s.config import read_yaml
from l2s.experiment import Experiment
from l2s.experiment.registry import read_once
from l2s.plan.jobs import PlannedJob, reported

SNAKEMAKE = Path(sys.executable).with_name("snakemake")


class Project:
    """A copy of the project in a folder of its own, and what Snakemake does there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(self, *options: str, config: str = "config/demo.yaml", **environment: str):
        """Run Snakemake; return the finished process with its output in one string."""
        return self._start([str(SNAKEMAKE), "--cores", "2", "--configfile", config, *options], environment)

    def _start(self, command: list[str], environment: dict[str, str]):
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

    def stale(self, *options: str, config: str = "config/demo.yaml", **environment: str) -> list[PlannedJob]:
        """Return the jobs that would run."""
        path = [str(self.folder / "scripts"), *filter(None, [environment.pop("PYTHONPATH", None)])]
        command = [sys.executable, "-m", "l2s.plan.jobs", "--configfile", config, *options]
        done = self._start(command, {**environment, "PYTHONPATH": os.pathsep.join(path)})
        assert done.returncode == 0, done.stdout
        return reported(done.stdout)

    def experiment(self, config: str = "config/demo.yaml") -> Experiment:
        """Return the experiment of a configuration, as the project's files are now."""
        read_once.cache_clear()
        with chdir(self.folder):
            experiment = Experiment(read_yaml(Path(config)), Path("config"))
            assert experiment.checkpoints  # worked out here, where relative paths hold
            return experiment

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


def by_rule(jobs: list[PlannedJob]) -> Counter[str]:
    """Count jobs by the names of their rules."""
    return Counter(job.rule for job in jobs)


PAGES = {"table": 2, "noise": 1}  # by kind of study, the pages of tables: its own, and that of disagreements
AFTER_GRADES = ("compare", "list_disagreements", "make_table", "show_responses")  # one of each for each table


def jobs_after(experiment: Experiment, checkpoints: Container[str]) -> Counter[str]:
    """Count the jobs that follow from decoding with these checkpoints again: that, grades, tables and figures."""
    again = {study: [one for one in experiment.compared(study) if one[0] in checkpoints] for study in experiment.lines}
    tables = [experiment.studies[study] for study, decoded in again.items() if decoded]
    decoded = set().union(*again.values())
    shown = set().union(*(again[study] for study in again if experiment.studies[study].kind == "table"))
    graders = {study: experiment.studies[study].graders for study in again}
    graded = {(one, grader) for study, answered in again.items() for one in answered for grader in graders[study]}
    counted = {
        "decode": len(decoded),
        "grade": len(graded),
        "shard_responses": len(shown),
        **dict.fromkeys(AFTER_GRADES, sum(study.kind == "table" for study in tables)),
        "draw_figure": sum(len(study.figures) for study in tables if study.kind == "table"),
        "measure_noise": sum(study.kind == "noise" for study in tables),
        "write_page": sum(PAGES[study.kind] for study in tables),
        "audit": bool(tables) and any(getattr(study, "audits", None) for study in experiment.studies.values()),
    }
    return +Counter(counted)


def jobs_after_merging(experiment: Experiment, merges: Container[str]) -> Counter[str]:
    """Count the jobs that follow from making these merges again, themselves included."""
    count = sum(name in merges for name in experiment.merges)
    return jobs_after(experiment, merges) + Counter(merge=count, draw_merge=count)

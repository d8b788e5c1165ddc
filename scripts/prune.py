"""List, or delete, what no configured study uses any more: the prune rule's script.

    snakemake prune                           lists it
    snakemake prune --config prune=delete     deletes it

Looked at are checkpoints, calibrations, responses with their grades and what pages load of them, the response store,
and what killed jobs left, in the results folder of a configuration, which a run has marked as its own. Nothing is
deleted while a run or one of its jobs works there. Downloaded weights lie in the hub's cache and are not touched.
"""

import shutil
from contextlib import nullcontext
from pathlib import Path

from l2s.config_option import PAPER, ConfigFile
from l2s.experiment import Experiment
from l2s.jobs import run_cli, run_in_terminal
from l2s.layout import Layout
from l2s.occupied import alone
from l2s.unused import unused_paths

PROJECT = Path(__file__).resolve().parents[1]


def main(
    config: ConfigFile = PAPER,
) -> None:
    """List what lies in the results folder and no study uses; delete it if the file says 'prune: delete'."""
    experiment = Experiment(config, PROJECT / "config")
    delete, results = experiment.config.prune == "delete", Path(experiment.config.results)
    with alone(results) if delete else nullcontext():
        unused = unused_paths(experiment, Layout(str(results)))
        total = sum(map(size_of, unused))
        for path in unused:
            print(f"{size_of(path) / 1e6:12,.1f} MB  {path}")
            if delete:
                remove(path)
                remove_empty_parents(path, results)
    done = "deleted" if delete else "not used by any configured study"
    hint = "" if delete or not unused else "; the same command with --config prune=delete deletes them"
    print(f"{total / 1e6:12,.1f} MB  {done}: {len(unused)} items{hint}")


def remove(path: Path) -> None:
    """Delete a file, a folder with all that it holds, or a link, but never what a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(file.lstat().st_size for file in [path, *path.rglob("*")] if file.is_symlink() or file.is_file())


def remove_empty_parents(path: Path, root: Path) -> None:
    """Remove the folders above ``path`` that have become empty, up to ``root``."""
    for parent in path.parents:
        if parent == root or any(parent.iterdir()):
            return
        parent.rmdir()


if "snakemake" in globals():
    run_in_terminal(main, snakemake.config)
elif __name__ == "__main__":
    run_cli(main)

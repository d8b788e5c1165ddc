"""What a run depended on besides its inputs: code, configuration, installed packages, the machine."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from l2s import gpus
from l2s.config import PROJECT
from l2s.experiment import Experiment
from l2s.files import digest_of, sha256_file
from l2s.layout import is_fetched, model_of

CODE = ("Snakefile", "workflow/rules/*.smk", "scripts/**/*.py")


def configuration(experiment: Experiment) -> dict[str, Any]:
    """Return the configuration with its defaults, and every entry that the studies reach, as they were read."""
    registry = experiment.registry
    decodings = sorted(experiment.asked)
    prompts = {(one, name): experiment.prompt_of(one, name) for one, name in decodings}
    made = experiment.merges | experiment.trainings
    return {
        "configuration": experiment.config.model_dump(mode="json"),
        "studies": {name: study.model_dump(mode="json") for name, study in sorted(experiment.studies.items())},
        "models": {name: registry.model(name).model_dump(mode="json") for name in models_of(experiment)},
        "recipes": {name: one.recipe.resolved() for name, one in sorted(made.items())},
        "benchmarks": {name: registry.benchmark(name).model_dump(mode="json") for name in benchmarks_of(experiment)},
        "decoding": {
            name: registry.decoding(name).model_dump(mode="json") for name in sorted({name for _, name in decodings})
        },
        "prompts": {f"{one}, {name}": prompt.model_dump(mode="json") for (one, name), prompt in prompts.items()},
    }


def models_of(experiment: Experiment) -> list[str]:
    """Return the models that a run fetches."""
    return [model_of(name) for name in experiment.checkpoints if is_fetched(name)]


def benchmarks_of(experiment: Experiment) -> list[str]:
    """Return the benchmarks that a run asks."""
    return sorted({name for names in experiment.asked.values() for name in names})


def installed() -> str:
    """Return the installed packages with their versions, one a line, as pip lists them."""
    found = {(one.metadata["Name"], one.version) for one in importlib.metadata.distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found, key=lambda one: one[0].lower()))


def locks() -> dict[str, str]:
    """Return the sha256 of each lock of ``envs/``, by its path in the project."""
    return {str(path.relative_to(PROJECT)): sha256_file(path) for path in sorted(PROJECT.glob("envs/*.txt"))}


def published() -> dict[str, str]:
    """Return the sha256 of each file of the paper's numbers, by its path in the project."""
    paths = sorted(path for path in PROJECT.glob("config/published/**/*") if path.is_file())
    return {str(path.relative_to(PROJECT)): sha256_file(path) for path in paths}


def code() -> dict[str, str]:
    """Return the digest of the project's rules, scripts and library, and the commit where there is one."""
    files = sorted({path for pattern in CODE for path in PROJECT.glob(pattern)})
    known = {"sha256": digest_of({str(path.relative_to(PROJECT)): sha256_file(path) for path in files})}
    if (PROJECT / ".git").exists():
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
        known["commit"] = f"{commit}{' and changes that were not committed' if changed else ''}"
    return known


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def machine() -> dict[str, str]:
    """Return what is known of the machine on which the run was started, without its name."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.split(":", 1)[1].strip() for line in cpu if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.1f} GiB",
        "GPUs": ", ".join(_gpu_names()) or "none",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _gpu_names() -> list[str]:
    if not gpus.count():
        return []
    try:
        query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return [f"{gpus.count()} of unknown kind"]
    return done.stdout.splitlines()

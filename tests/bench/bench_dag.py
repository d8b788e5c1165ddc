"""What many recipes cost before anything runs: a dry run of a sweep, and what each job of a cluster reads again.

    python tests/bench/bench_dag.py 1000 5000

For each number of recipes, in copies of the project, CPU seconds of: a dry run; the reading of the workflow for one
target, as each job on a cluster does it; and, as a floor, a dry run of a Snakefile of the same jobs, files and rules
that computes nothing itself.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import copy_project

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
ITEM = 500  # recipes that one line of a study may stand for
RECIPES = (
    "  - {{method: dare_ta, seed: {}, drop_rate: {{from: 0.1, to: 0.5, step: 0.1}}, "
    "scale: {{from: 0.01, to: 1, step: 0.01}}}}"
)
STUDY = """title: A wide sweep
pairs: [demo]
recipes:
{recipes}
benchmarks: [demo_validation]
decoding: demo
grader: math_verify
"""
CONFIG = "results: results/wide\nstudies: [wide]\nmerge_threads: 1\ncalibration_device: cpu\n"
ONE_TARGET = "results/wide/checkpoints/models/demo-quick/manifest.json"
# One rule a stage, with the files that it has in the workflow.
RULES = {
    "merge": (["m/quick.json", "m/slow.json"], ["m/{n}/manifest.json"]),
    "draw_merge": (["m/{n}/manifest.json"], ["f/{n}.html", "f/{n}.svg", "f/{n}.png"]),
    "decode": (["m/{n}/manifest.json", "questions"], ["r/{n}/demo.parquet", "r/{n}/demo.json"]),
    "grade": (["r/{n}/demo.parquet", "questions"], ["g/{n}/demo/{grader}.parquet"]),
    "shard": (["r/{n}/demo.parquet", "g/{n}/demo/a.parquet", "g/{n}/demo/b.parquet"], ["s/{n}/demo.js"]),
}
TABLES = ("compare", "disagree", "table", "show")


def main(counts: Annotated[list[int], typer.Argument(help="Numbers of recipes, multiples of 500.")]) -> None:
    """Print a table of CPU seconds."""
    print("| recipes | jobs | dry run | Snakemake alone | one target |\n| --: | --: | --: | --: | --: |")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            project = copy_project(Path(folder, "project"))
            recipes = "\n".join(RECIPES.format(seed) for seed in range(count // ITEM))
            (project / "config/studies/wide.yaml").write_text(STUDY.format(recipes=recipes))
            (project / "config/wide.yaml").write_text(CONFIG)
            bare = Path(folder, "bare")
            bare.mkdir()
            (bare / "Snakefile").write_text(bare_snakefile(count))
            (bare / "step.py").write_text("")
            whole = cpu_seconds(project, "--configfile", "config/wide.yaml")
            alone = cpu_seconds(bare)
            one = cpu_seconds(project, "--configfile", "config/wide.yaml", "--", ONE_TARGET)
        print(f"| {count:,} | {6 * count:,} | {whole:.1f} | {alone:.1f} | {one:.1f} |", flush=True)


def bare_snakefile(count: int) -> str:
    """Return a workflow of the same jobs, in which nothing is computed but Snakemake's own patterns."""
    files = [f"g/{number}/demo/{grader}.parquet" for number in range(count) for grader in "ab"]
    drawn = [f"f/{number}.{suffix}" for number in range(count) for suffix in ("html", "svg", "png")]
    shards = [f"s/{number}/demo.js" for number in range(count)]
    parts = [f"FILES = {files!r}", rule("all", [*TABLES, *drawn], [])]
    parts += [rule(name, [], [path]) for name, path in (("quick", "m/quick.json"), ("slow", "m/slow.json"))]
    parts += [rule("questions", [], ["questions"])]
    parts += [rule(name, inputs, outputs) for name, (inputs, outputs) in RULES.items()]
    parts += [rule(name, shards if name == "show" else "FILES", [name]) for name in TABLES]
    return "wildcard_constraints:\n    n=r'[0-9]+',\n\n" + "\n\n".join(parts)


def rule(name: str, inputs: list[str] | str, outputs: list[str]) -> str:
    """Return a rule with what every rule of the workflow has."""
    lines = [f"rule {name}:", "    input:", f"        {inputs if isinstance(inputs, str) else repr(inputs)},"]
    if outputs:
        joined = "-".join(part for part in ("n", "grader") if f"{{{part}}}" in outputs[0])
        wildcards = "".join(f"/{{{part}}}" for part in joined.split("-") if part)
        lines += ["    output:", f"        {outputs!r},", "    log:", f"        'logs/{name}{wildcards}.log',"]
        lines += ["    benchmark:", f"        'timings/{name}{wildcards}.tsv'", "    params:", "        code='0',"]
        lines += ["    script:", "        'step.py'"]
    return "\n".join(lines)


def cpu_seconds(folder: Path, *options: str) -> float:
    """Return the CPU seconds of a dry run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(SNAKEMAKE), "--dry-run", "--quiet", "all", "--cores", "8", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    typer.run(main)

"""Write the RO-Crate of a results folder, by the profile Provenance Run Crate 0.5.

https://w3id.org/ro/wfrun/provenance/0.5: one CreateAction for the run and one for each job; one HowToStep for each
rule, which a ControlAction for each job refers to; an OrganizeAction for Snakemake, which carried them out.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from l2s.config import PROJECT
from l2s.crate.covered import Covered, covered_files, digests
from l2s.crate.entities import WORKFLOW_TYPES, Graph, source_entities
from l2s.crate.records import Job, Lookup, jobs_of, moment
from l2s.crate.run_files import CONFIGURATION, INSTALLED, WORKFLOW
from l2s.crate.surroundings import code, locks, machine, published
from l2s.experiment import Experiment
from l2s.files import pretty_json, sha256_file, write_text
from l2s.layout import CRATE_DIGEST, Layout

BENCHMARKS = "https://snakemake.readthedocs.io/en/stable/snakefiles/rules.html#benchmark-rules"
"""Where Snakemake says what the numbers in timings/ are."""
RUN, ENGINE, SNAKEMAKE = "#run", "#snakemake-run", "#snakemake"


def write_crate(experiment: Experiment, layout: Layout, lookup: Lookup, succeeded: bool = True) -> Path:
    """Write the crate of a results folder as it is now, with its ``run_files``, and return its path.

    Args:
        experiment: The configured studies.
        layout: The results folder's.
        lookup: Snakemake's records of outputs.
        succeeded: Whether the run that has just ended did.
    """
    results = Path(layout.results)
    files = covered_files(results)
    found = digests(results, files)
    jobs = jobs_of(layout, [file.path for file in files], lookup)
    graph = Graph(f"Long-to-short reasoning by model merging: {results.name}")
    _add_files(graph, files, found, _in_results(layout, layout.run_file(WORKFLOW)))
    _add_workflow(graph, layout, jobs)
    sources = source_entities(graph, experiment, results)
    for job in jobs:
        _add_job(graph, layout, job, sources)
    _add_run(graph, layout, jobs, sources, succeeded)
    text = pretty_json(graph.crate.metadata.generate())
    write_text(Path(layout.crate), text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_text(results / CRATE_DIGEST, f"{digest}  {Path(layout.crate).name}\n")
    return Path(layout.crate)


def _add_files(graph: Graph, files: list[Covered], found: dict[str, str], workflow: str) -> None:
    for file in files:
        key = "headerSha256" if file.weights else "sha256"
        types = {"@type": WORKFLOW_TYPES} if file.path == workflow else {}
        graph.file(file.path, {"contentSize": str(file.bytes), key: found[file.path], **types})


def _add_workflow(graph: Graph, layout: Layout, jobs: list[Job]) -> None:
    """Add the workflow, with a tool and a step for each rule that made something."""
    rules = sorted({job.rule for job in jobs})
    known = code()
    for position, rule in enumerate(rules):
        script = PROJECT / "scripts" / f"{rule}.py"
        digest = sha256_file(script) if script.is_file() else None
        graph.add(_tool(rule), "SoftwareApplication", name=f"scripts/{rule}.py", sha256=digest)
        example = graph.to(_tool(rule))
        graph.add(_step(rule), "HowToStep", name=rule, position=str(position), workExample=example)
    graph.workflow(
        _in_results(layout, layout.run_file(WORKFLOW)),
        {
            "name": "long2short",
            "version": known.get("commit", known["sha256"]),
            "description": f"sha256 over the paths and contents of all rules and scripts: {known['sha256']}",
            "hasPart": graph.to(*map(_tool, rules)),
            "step": graph.to(*map(_step, rules)),
        },
    )


def _add_job(graph: Graph, layout: Layout, job: Job, sources: dict[str, str]) -> None:
    read = [_in_results(layout, path) for path in job.inputs]
    inputs = [name for name in read if name in graph.files]
    if job.name in sources:
        inputs.append(sources[job.name])
    used: dict[str, Any] = {}
    if job.peak_mb:
        memory = f"#memory/{job.name}"
        graph.add(memory, "PropertyValue", name="max_rss", value=job.peak_mb, unitText="MB", propertyID=BENCHMARKS)
        used["resourceUsage"] = graph.to(memory)
    graph.add(
        _action(job),
        "CreateAction",
        name=job.name,
        instrument=graph.to(_tool(job.rule)),
        startTime=moment(job.started),
        endTime=moment(job.ended),
        actionStatus="http://schema.org/CompletedActionStatus",
        object=graph.to(*inputs),
        result=graph.to(*job.results),
        **used,
    )
    of = {"instrument": graph.to(_step(job.rule)), "object": graph.to(_action(job))}
    graph.add(_control(job), "ControlAction", name=f"start {job.name}", **of)


def _add_run(graph: Graph, layout: Layout, jobs: list[Job], sources: dict[str, str], succeeded: bool) -> None:
    """Add the run as a whole: what it read, and what it made that no job of it reads."""
    read = {_in_results(layout, path) for job in jobs for path in job.inputs}
    made = [path for job in jobs for path in job.results if path not in read]
    config = _in_results(layout, layout.run_file(CONFIGURATION))
    files = {**locks(), **published()}
    for path, digest in files.items():
        graph.add(f"#{path}", "CreativeWork", name=path, sha256=digest)
    hardware = machine()
    for name, value in hardware.items():
        graph.add(f"#machine/{name}", "PropertyValue", name=name, value=value)
    inputs = [config, _in_results(layout, layout.run_file(INSTALLED)), *sorted(sources.values())]
    times = {}
    if jobs:
        started, ended = min(job.started for job in jobs), max(job.ended for job in jobs)
        times = {"startTime": moment(started), "endTime": moment(ended)}
    status = "CompletedActionStatus" if succeeded else "FailedActionStatus"
    graph.add(
        RUN,
        "CreateAction",
        name=f"run of the workflow into {Path(layout.results).name}",
        instrument=graph.to(graph.crate.mainEntity.id),
        object=graph.to(*inputs, *(f"#{path}" for path in files)),
        result=graph.to(*made),
        additionalProperty=graph.to(*(f"#machine/{name}" for name in hardware)),
        actionStatus=f"http://schema.org/{status}",
        **times,
    )
    mentioned = [RUN, *map(_action, jobs)]
    if jobs:
        _add_engine(graph, jobs, times)
        mentioned.append(ENGINE)
    graph.crate.root_dataset["mentions"] = graph.to(*mentioned)


def _add_engine(graph: Graph, jobs: list[Job], times: dict[str, str]) -> None:
    """Add Snakemake, and that it started the jobs."""
    known = version("snakemake")
    graph.add(SNAKEMAKE, "SoftwareApplication", name="Snakemake", version=known, url="https://snakemake.github.io")
    of = {"instrument": graph.to(SNAKEMAKE), "object": graph.to(*map(_control, jobs)), "result": graph.to(RUN)}
    graph.add(ENGINE, "OrganizeAction", name=f"run of Snakemake {known}", **of, **times)


def _in_results(layout: Layout, path: str) -> str:
    return path.removeprefix(f"{layout.results}/")


def _tool(rule: str) -> str:
    return f"#tool/{rule}"


def _step(rule: str) -> str:
    return f"#step/{rule}"


def _action(job: Job) -> str:
    return f"#job/{job.name}"


def _control(job: Job) -> str:
    return f"#start/{job.name}"

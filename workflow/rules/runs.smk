# What happens before a run's first job and after its last. No rules here.

import os
import subprocess

from snakemake.io import IOFile

from l2s.crate.run_files import write_run_files
from l2s.crate.write import write_crate
from l2s.occupied import occupy
from l2s.plan.devices import gpu_needs
from l2s.plan.machine import check_machine, gpu_settings
from l2s.plan.outlook import outlook


def tell_missing_records():
    """Say that Snakemake knows nothing of results that are there, and so takes them all for up to date."""
    if workflow.is_main_process and not any(Path(".snakemake/metadata").glob("*")):
        if any(Path(layout.results, "responses").rglob("*.parquet")):
            print(
                f"warning: {layout.results} has results, and Snakemake's records of how they were made (.snakemake/metadata) "
                "are gone: nothing counts as stale. python scripts/verify.py --results "
                f"{layout.results} says what does not belong together.",
                file=sys.stderr,
            )


def check_targets():
    """Stop if a study has the name of a rule; to be called when all rules are known."""
    try:
        experiment.check_targets(rule.name for rule in workflow.rules)
    except UserError as error:
        raise WorkflowError(str(error))


def generates(job):
    """Say whether a job generates responses; one whose responses were decoded ahead only reads them."""
    asked = job.wildcards_dict.get("checkpoint"), job.wildcards_dict.get("decoding")
    return bool(experiment.decodes(job.rule.name, *asked))


def stop_without_gpus(dag):
    """Stop a run before its first job if jobs need a GPU and this machine has none that does, or more than they get."""
    jobs = list(dag.needrun_jobs())
    decodes = [job for job in jobs if generates(job)]
    for job in decodes:
        wanted = experiment.decoding_of(job.wildcards.checkpoint, job.wildcards.decoding).gpus
        if job.resources["gpu"] < wanted:
            raise WorkflowError(
                f"decoding with {job.wildcards.checkpoint} needs {wanted} GPUs, and --resources gpu grants "
                f"{job.resources['gpu']}: run with --resources gpu={wanted} or more"
            )
    needs = gpu_needs(experiment, [(job.rule.name, job.wildcards_dict) for job in jobs])
    if needs and workflow.local_exec:
        settings = gpu_settings(experiment, [(job.wildcards.checkpoint, job.wildcards.decoding) for job in decodes])
        hindrances = [check.line for check in check_machine(settings) if not check.good]
        if gpus.device_here() == "cpu":
            raise WorkflowError(
                "\n  ".join(["this machine has no GPU that jobs may use:", *hindrances, *needs])
                + "\nRun where there is one, on a cluster "
                "(--workflow-profile profiles/slurm), or see the demo, which needs none (make demo)."
            )
        if hindrances:
            raise WorkflowError("\n  ".join(["jobs on GPUs would break on this machine:", *hindrances]))


def say_outlook(dag):
    """Say how long decoding is expected to take, and how to follow it."""
    asked = [(job.wildcards.checkpoint, job.wildcards.decoding) for job in dag.needrun_jobs() if generates(job)]
    if asked:
        measured = Costs(experiment, costs.estimates, layout)
        granted = workflow.global_resources.get("gpu")
        at_once = (workflow.resource_settings.cores, granted.value if granted else 0) if workflow.local_exec else None
        print(f"{outlook(measured, asked, at_once)}; python scripts/watch.py{configfile_option()} follows it")


def lift_rate_limit():
    """Take Snakemake's limit of jobs a second (100) away; --jobs bounds what is submitted.

    With it, every job that ends wakes the scheduler once a second for the rest of the run, so that a run of some hundred
    jobs keeps a core busy with choosing among the same jobs.
    """
    workflow.scheduler.job_rate_limiter = None


def configfile_option():
    """Return the option that names this run's configuration to scripts; nothing for the paper's."""
    return "".join(f" --configfile {os.path.relpath(path)}" for path in workflow.overwrite_configfiles)


def show_results(dag):
    """Print the first table that a run has made, and say where the others are."""
    made = [job.wildcards.study for job in dag.needrun_jobs(exclude_finished=False) if job.rule.name == "make_table"]
    first, *others = [study for study in experiment.studies if study in made] or [None]
    if first:
        subprocess.run([sys.executable, "scripts/show.py", "--results", layout.results, "--study", first], check=False)
    if others:
        print(f"Other tables: {', '.join(layout.table(study, 'md') for study in others)}")


def say_how_to_go_on():
    """Say what to do when a run has ended before everything was there."""
    print(
        "stopped; run again to go on: what is done is kept. After an error, mend it first. "
        f"python scripts/show.py{configfile_option()} prints what there is so far."
    )


def occupy_results():
    """Hold the results folder while this run works in it, unless its jobs are only commands such as prune."""
    if any(job.output for job in workflow.dag.needrun_jobs()):
        try:
            occupy(Path(layout.results), ROOT)
        except UserError as error:
            raise WorkflowError(str(error))


def record_run(succeeded):
    """Write what a run was, the entry page and the crate when it has ended, unless its jobs were only commands."""
    if any(job.output for job in workflow.dag.needrun_jobs(exclude_finished=False)):
        # Here, as it takes longer to load than a dry run.
        from l2s.pages.index import write_index

        def lookup(path):
            return workflow.persistence.metadata(IOFile(path))

        write_run_files(experiment, layout, lookup, succeeded)
        try:
            write_index(Path(layout.results))
        except UserError as error:  # a damaged file must not keep the crate from being written, which tells
            print(f"warning: the entry page could not be written: {error}", file=sys.stderr)
        write_crate(experiment, layout, lookup, succeeded)

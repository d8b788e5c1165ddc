# Helpers of the rules: the experiment of configured studies, and paths. No rules here.

import json
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "scripts"))

from l2s import gpus
from l2s.experiment import Experiment
from l2s.plan.costs import Costs
from l2s.config import read_entry
from l2s.errors import UserError
from l2s.grading.grades import grader_module
from l2s.plan.estimates import Estimates
from l2s.methods import method_names
from l2s.provenance import code_digest


def load_experiment():
    """Return the experiment; a mistake in the configuration stops the run with one line, before anything runs."""
    if Path.cwd() != ROOT:
        raise WorkflowError(f"run Snakemake in {ROOT}; the configuration's 'results' says where results go")
    try:
        return Experiment(config, Path("config"))
    except UserError as error:
        raise WorkflowError(str(error))


experiment = load_experiment()
# Scripts see the configuration with its defaults.
config.update(experiment.config.model_dump(mode="json"))
config["scratch"] = config["scratch"] or f"{experiment.config.results}/scratch"
costs = Costs(experiment, read_entry(Path("config/estimates.yaml"), Estimates))
RESULTS = experiment.config.results


wildcard_constraints:
    model=r"[^/]+",
    base=r"[^/]+",
    pair=r"[^/]+",
    method=r"[^/]+",
    recipe=r"[^/]+",
    benchmark=r"[^/]+",
    decoding=r"[^/]+",
    grader=r"[^/]+",
    study=r"[^/]+",
    calibration_data=r"[^/]+",
    answer="quick|slow",
    kind="activations|sensitivities|logit_distances",
    # one model, or two for logit distances
    measured=r"[^/]+(/[^/]+)?",
    examples=r"[^/]+",
    set_name=r"[^/]+",
    figure=r"[^/]+",
    # a fetched model (models/<model>), or a merged or trained checkpoint (<pair>/<method>/<recipe>)
    checkpoint=r"models/[^/]+|[^/]+/[^/]+/[^/]+",


def merge_of(wildcards):
    """Return the merge behind <pair>/<method>/<recipe>."""
    return experiment.merges[f"{wildcards.pair}/{wildcards.method}/{wildcards.recipe}"]


def titled(title):
    """Return the title of a page that belongs to no single study."""
    return experiment.config.title_prefix + title


def training_of(wildcards):
    """Return the training behind <pair>/<method>/<recipe>."""
    return experiment.trainings[f"{wildcards.pair}/{wildcards.method}/{wildcards.recipe}"]


def manifest_of_model(model):
    """Return the path of a fetched model's manifest."""
    return f"{RESULTS}/checkpoints/models/{model}/manifest.json"


def calibration_path(calibration):
    """Return the path of a calibration's manifest."""
    return f"{RESULTS}/calibrations/{calibration.name}.json"


def local_model_files(wildcards):
    """Return the files of a model in a local directory, so that changing them is seen; none for a hub model."""
    path = experiment.registry.model(wildcards.model).path
    return sorted(str(file) for file in Path(path).iterdir() if file.is_file()) if path else []


def questions_asked(wildcards):
    """Return the question tables of all benchmarks that the studies ask of this checkpoint."""
    benchmarks = experiment.asked[wildcards.checkpoint, wildcards.decoding]
    return [f"{RESULTS}/questions/{benchmark}.parquet" for benchmark in benchmarks]


def decode_environment(wildcards):
    """Return the conda environment that has the decode settings' engine."""
    engine = experiment.registry.decoding(wildcards.decoding).engine
    return f"../../envs/{'cuda' if engine == 'vllm' else 'cpu'}.yaml"


def examples_asked(wildcards):
    """Return the sets of examples that the prompt shows before the questions asked of this checkpoint."""
    few_shot = experiment.prompt_of(wildcards.checkpoint, wildcards.decoding).few_shot
    sets = sorted(set(experiment.example_sets(wildcards.checkpoint, wildcards.decoding).values()))
    return [f"{RESULTS}/examples/{few_shot.examples}/{name}.parquet" for name in sets]


def decode_memory(wildcards, input):
    """Return the memory of a decode job in MB: the weights on their way to the engine, and 8 GB for each process.

    While the manifest is not there, Snakemake takes the FileNotFoundError as "not known yet".
    """
    settings = experiment.decoding_of(wildcards.checkpoint, wildcards.decoding)
    with open(input.manifest) as stream:
        weights = sum(file["bytes"] for file in json.load(stream)["files"].values())
    widened = weights * (2 if settings.dtype == "float32" else 1)
    return 8000 * max(1, settings.gpus) + round(1.25 * widened / 1e6)


def decode_minutes(wildcards):
    """Return the time limit of a decode job: four times what config/estimates.yaml makes of it, and half an hour."""
    return 30 + round(4 * costs.decode_seconds(wildcards.checkpoint, wildcards.decoding) / 60)


def responses_path(study, checkpoint):
    """Return the responses of a checkpoint that a study reads."""
    return f"{RESULTS}/responses/{checkpoint}/{experiment.studies[study].decoding}.parquet"


def grades_path(study, checkpoint):
    """Return the grades of a checkpoint that a study reads."""
    entry = experiment.studies[study]
    return f"{RESULTS}/grades/{checkpoint}/{entry.decoding}/{entry.grader}.parquet"


def study_checkpoints(study):
    """Return every checkpoint of a study's table, references included, sorted."""
    return sorted({name for line in experiment.lines[study] for name in (line.checkpoint, line.reference)})


def table_inputs(wildcards, path):
    """Return the responses or grades (by ``path``) of every checkpoint of a study's table."""
    return [path(wildcards.study, checkpoint) for checkpoint in study_checkpoints(wildcards.study)]


def study_questions(study):
    """Return the question tables of a study's benchmarks."""
    return [f"{RESULTS}/questions/{benchmark}.parquet" for benchmark in experiment.studies[study].benchmarks]


def table_spec(wildcards):
    """Return what a study's table is made from."""
    study, entry = wildcards.study, experiment.studies[wildcards.study]
    checkpoints = {
        name: {"responses": responses_path(study, name), "grades": grades_path(study, name)}
        for name in study_checkpoints(study)
    }
    return {
        "study": study,
        "title": entry.title,
        "reference": experiment.reference_name(study),
        "benchmarks": list(entry.benchmarks),
        "cell": entry.cell,
        "questions": study_questions(study),
        "rows": [line._asdict() for line in experiment.lines[study]],
        "checkpoints": checkpoints,
    }


def table_outputs(study):
    """Return a table study's table, its figures, and a figure of each merge."""
    figures = [f"{RESULTS}/figures/{study}/{figure}.html" for figure in experiment.studies[study].figures]
    merges = [line.checkpoint for line in experiment.lines[study] if line.checkpoint in experiment.merges]
    return [
        f"{RESULTS}/tables/{study}.parquet",
        *figures,
        *(f"{RESULTS}/figures/merges/{checkpoint}.html" for checkpoint in merges),
    ]


def noise_pairs(study):
    """Return (checkpoint, decode settings) of all responses that a noise study compares, its lines in order."""
    entry = experiment.studies[study]
    names = dict.fromkeys(line.checkpoint for line in experiment.lines[study])
    return [(name, decoding) for name in names for decoding in entry.decodings]


def noise_responses(wildcards):
    """Return the responses that a noise study compares."""
    return [f"{RESULTS}/responses/{name}/{decoding}.parquet" for name, decoding in noise_pairs(wildcards.study)]


def noise_grades(wildcards):
    """Return the grades that a noise study compares."""
    grader = experiment.studies[wildcards.study].grader
    return [f"{RESULTS}/grades/{name}/{decoding}/{grader}.parquet" for name, decoding in noise_pairs(wildcards.study)]


def noise_outputs(study):
    """Return a noise study's table."""
    return [f"{RESULTS}/noise/{study}.parquet"]


def spectra_outputs(study):
    """Return a figure of each task vector of a spectra study."""
    return [f"{RESULTS}/figures/spectra/{base}/{model}.html" for base, model in experiment.task_vectors[study]]


def group_outputs(group):
    """Return what the studies of a group are for."""
    return [path for study in experiment.studies[group].studies for path in study_outputs(study)]


def stop_without_gpus(dag):
    """Stop a run before its first job if jobs need a GPU and this machine has none, or more than they would be given."""
    jobs = list(dag.needrun_jobs())
    needy = [job.rule.name for job in jobs if job.resources.get("gpu")]
    if needy and workflow.local_exec and not gpus.count():
        raise WorkflowError(
            f"{len(needy)} jobs ({', '.join(sorted(set(needy)))}) need a GPU, and this machine has none: run them where "
            "there is one, on a cluster (--workflow-profile profiles/slurm), or see the demo, which needs none (make demo)"
        )
    for job in jobs:
        if job.rule.name == "decode":
            wanted = experiment.decoding_of(job.wildcards.checkpoint, job.wildcards.decoding).gpus
            if job.resources["gpu"] < wanted:
                raise WorkflowError(
                    f"decoding with {job.wildcards.checkpoint} needs {wanted} GPUs, and --resources gpu grants "
                    f"{job.resources['gpu']}: run with --resources gpu={wanted} or more"
                )


OUTPUTS_OF_KIND = {
    "table": table_outputs,
    "noise": noise_outputs,
    "spectra": spectra_outputs,
    "group": group_outputs,
}


def study_outputs(study):
    """Return what a study is for."""
    return OUTPUTS_OF_KIND[experiment.studies[study].kind](study)

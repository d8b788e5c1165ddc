# Helpers of the rules: the catalogue of configured studies, and paths. No rules here.

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "scripts"))

from l2s.catalog import Catalog
from l2s.errors import UserError
from l2s.grading.grades import grader_module
from l2s.methods import method_names
from l2s.provenance import code_digest


def load_catalog():
    """Return the catalogue; a mistake in the configuration stops the run with one line, before anything runs."""
    if Path.cwd() != ROOT:
        raise WorkflowError(f"run Snakemake in {ROOT}; the configuration's 'results' says where results go")
    try:
        return Catalog(config, Path("config"))
    except UserError as error:
        raise WorkflowError(str(error))


catalog = load_catalog()
RESULTS = catalog.config.results


wildcard_constraints:
    model=r"[^/]+",
    pair=r"[^/]+",
    method=r"[^/]+",
    recipe=r"[^/]+",
    benchmark=r"[^/]+",
    decoding=r"[^/]+",
    grader=r"[^/]+",
    study=r"[^/]+",
    samples=r"[^/]+",
    answer="quick|slow",
    kind="activations|sensitivities|logit_distances",
    # one model, or two for logit distances
    measured=r"[^/]+(/[^/]+)?",
    figure=r"[^/]+",
    # a fetched model (models/<model>), or a merged or trained checkpoint (<pair>/<method>/<recipe>)
    checkpoint=r"models/[^/]+|[^/]+/[^/]+/[^/]+",


def merge_of(wildcards):
    """Return the merge behind <pair>/<method>/<recipe>."""
    return catalog.merges[f"{wildcards.pair}/{wildcards.method}/{wildcards.recipe}"]


def training_of(wildcards):
    """Return the training behind <pair>/<method>/<recipe>."""
    return catalog.trainings[f"{wildcards.pair}/{wildcards.method}/{wildcards.recipe}"]


def manifest_of_model(model):
    """Return the path of a fetched model's manifest."""
    return f"{RESULTS}/checkpoints/models/{model}/manifest.json"


def calibration_path(calibration):
    """Return the path of a calibration's manifest."""
    models = "/".join(calibration.models)
    return f"{RESULTS}/calibration/{calibration.kind}/{models}/{calibration.samples}-{calibration.answer}.json"


def local_model_files(wildcards):
    """Return the files of a model in a local directory, so that changing them is seen; none for a hub model."""
    path = catalog.entries.model(wildcards.model).path
    return sorted(str(file) for file in Path(path).iterdir() if file.is_file()) if path else []


def questions_asked(wildcards):
    """Return the question tables of all benchmarks that the studies ask of this checkpoint."""
    benchmarks = catalog.asked[wildcards.checkpoint, wildcards.decoding]
    return [f"{RESULTS}/benchmarks/{benchmark}.parquet" for benchmark in benchmarks]


def responses_path(study, checkpoint):
    """Return the responses of a checkpoint that a study reads."""
    return f"{RESULTS}/responses/{checkpoint}/{catalog.studies[study].decoding}.parquet"


def grades_path(study, checkpoint):
    """Return the grades of a checkpoint that a study reads."""
    entry = catalog.studies[study]
    return f"{RESULTS}/grades/{checkpoint}/{entry.decoding}/{entry.grader}.parquet"


def study_checkpoints(study):
    """Return every checkpoint of a study's table, references included, sorted."""
    return sorted({name for line in catalog.lines[study] for name in (line.checkpoint, line.reference)})


def table_inputs(wildcards, path):
    """Return the responses or grades (by ``path``) of every checkpoint of a study's table."""
    return [path(wildcards.study, checkpoint) for checkpoint in study_checkpoints(wildcards.study)]


def table_spec(wildcards):
    """Return what a study's table is made from."""
    study, entry = wildcards.study, catalog.studies[wildcards.study]
    checkpoints = {
        name: {"responses": responses_path(study, name), "grades": grades_path(study, name)}
        for name in study_checkpoints(study)
    }
    return {
        "study": study,
        "title": entry.title,
        "reference": catalog.reference_name(study),
        "benchmarks": list(entry.benchmarks),
        "rows": [line._asdict() for line in catalog.lines[study]],
        "checkpoints": checkpoints,
    }


def table_outputs(study):
    """Return a table study's table, its figures, and a figure of each merge."""
    figures = [f"{RESULTS}/figures/{study}/{figure}.html" for figure in catalog.studies[study].figures]
    merges = [line.checkpoint for line in catalog.lines[study] if line.checkpoint in catalog.merges]
    return [
        f"{RESULTS}/tables/{study}.parquet",
        *figures,
        *(f"{RESULTS}/figures/merges/{checkpoint}.html" for checkpoint in merges),
    ]


OUTPUTS_OF_KIND = {"table": table_outputs}


def study_outputs(study):
    """Return what a study is for."""
    return OUTPUTS_OF_KIND[catalog.studies[study].kind](study)

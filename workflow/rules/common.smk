# What the rules share: the experiment of the configured studies, the layout of the results folder, and the functions of
# wildcards that only rules need. No rules here.

import sys
from pathlib import Path
from typing import get_args

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "scripts"))

from l2s import gpus
from l2s.analysis.figures import figure_module
from l2s.audit.spec import audit_spec, in_all, published_tables
from l2s.checkpoints.manifest import read_manifest
from l2s.calibration.kinds import kind_module, kind_names
from l2s.contracts.calibration_data import Answer
from l2s.experiment import Experiment
from l2s.experiment.context_lengths import budgets, read_at
from l2s.plan.costs import Costs
from l2s.config import read_entry, read_yaml
from l2s.files import digest_of, read_json
from l2s.errors import UserError
from l2s.decoding.engines.choice import ENGINE_PACKAGES
from l2s.decoding.settings import HOW_JOBS_SHARE
from l2s.grading.grades import grader_module, grader_names
from l2s.grading.store import LIBRARIES
from l2s.layout import IMPORTED, Layout, asked_in, fetched, imported, questions_table, round_study
from l2s.sources.tokenizers import local_tokenizer_files
from l2s.sources.generations import FORMATS, generation_formats
from l2s.plan.estimates import Estimates
from l2s.methods import method_names
from l2s.modules import module_names
from l2s.pages.render import page_digest
from l2s.provenance import code_digest, package_versions
from l2s.search.split import REPORT


def load_experiment():
    """Return the experiment, the layout of its results, and what its audit is made from.

    A mistake in the configuration stops the run with one line, before anything runs.
    """
    if Path.cwd() != ROOT:
        raise WorkflowError(f"run Snakemake in {ROOT}; the configuration's 'results' says where results go")
    try:
        for file in workflow.configfiles:
            read_yaml(file)  # Snakemake lets the second of two equal keys win
        experiment = Experiment(config, Path("config"))
        layout = Layout(experiment.config.results)
        return experiment, layout, audit_spec(experiment, layout)
    except UserError as error:
        raise WorkflowError(str(error))


experiment, layout, audited = load_experiment()
# Scripts see the configuration with its defaults.
config.update(experiment.config.model_dump(mode="json"))
costs = Costs(experiment, read_entry(Path("config/estimates.yaml"), Estimates))
config["scratch"] = config["scratch"] or layout.scratch


# What is decoded: a fetched model, or a merged or trained checkpoint.
CHECKPOINT = fetched(r"[^/]+") + r"|[^/]+/[^/]+/[^/]+"


wildcard_constraints:
    model=r"[^/]+",
    base=r"[^/]+",
    pair=r"[^/]+",
    method=r"[^/]+",
    recipe=r"[^/]+",
    benchmark=r"[^/~]+",
    decoding=r"[^/]+",
    grader=r"[^/]+",
    study=r"[^/]+",
    calibration_data=r"[^/]+",
    answer="|".join(get_args(Answer)),
    kind="|".join(kind_names()),
    # the models that it is measured on: one, or several with slashes between them
    measured=r"[^/]+(/[^/]+)*",
    examples=r"[^/]+",
    share=r"\d+-of-\d+",
    # a benchmark, and a search and its rounds, where their names stand beside each other
    entry=r"[^/~]+",
    search=r"[^/~]+",
    round=r"[^/~]+",
    set_name=r"[^/]+",
    figure=r"[^/]+",
    # a fetched model (models/<model>), an import (imports/<import>), or a merged or trained checkpoint
    # (<pair>/<method>/<recipe>)
    checkpoint="|".join([CHECKPOINT, imported(r"[^/]+")]),


def merge_of(wildcards):
    """Return the merge behind <pair>/<method>/<recipe>."""
    return experiment.merges[f"{wildcards.pair}/{wildcards.method}/{wildcards.recipe}"]


def training_of(wildcards):
    """Return the training behind <pair>/<method>/<recipe>."""
    return experiment.trainings[f"{wildcards.pair}/{wildcards.method}/{wildcards.recipe}"]


def questions_asked(wildcards):
    """Return the question tables of all benchmarks that the studies ask of this checkpoint, or that an import has."""
    benchmarks = experiment.benchmarks_of(wildcards.checkpoint, wildcards.decoding)
    return [layout.questions(questions_table(benchmark, wildcards.decoding)) for benchmark in benchmarks]


def decode_environment(wildcards):
    """Return the conda environment that has the decode settings' engine."""
    engine = experiment.registry.decoding(wildcards.decoding).engine
    return f"../../envs/{'cuda' if engine == 'vllm' else 'cpu'}.yaml"


def examples_asked(wildcards):
    """Return the sets of few-shot examples that the prompt shows before the questions asked of this checkpoint."""
    return [layout.examples(*one) for one in experiment.examples_of(wildcards.checkpoint, wildcards.decoding)]


def decoded_by(wildcards):
    """Return the jobs that decode a checkpoint ahead; None if its decode job does so itself."""
    return experiment.ahead.get((wildcards.checkpoint, wildcards.decoding))


def decoded_ahead(wildcards):
    """Return what says that a checkpoint has been decoded ahead."""
    ahead = decoded_by(wildcards)
    return [layout.ahead(ahead.checkpoints[0], wildcards.decoding, name) for name in ahead.names] if ahead else []


def decode_settings(wildcards):
    """Return what a checkpoint's responses depend on: not how jobs share them."""
    settings = experiment.decoding_of(wildcards.checkpoint, wildcards.decoding)
    return settings.model_dump(mode="json", exclude=set(HOW_JOBS_SHARE))


def decode_packages(wildcards):
    """Return the versions of the packages that a checkpoint's responses depend on."""
    return package_versions(ENGINE_PACKAGES[experiment.registry.decoding(wildcards.decoding).engine])


def decode_prompt(wildcards):
    """Return the prompt of a checkpoint, as plain values."""
    return experiment.prompt_of(wildcards.checkpoint, wildcards.decoding).model_dump(mode="json")


def decode_example_sets(wildcards):
    """Return the set of few-shot examples of each benchmark that is asked of a checkpoint."""
    return experiment.example_sets(wildcards.checkpoint, wildcards.decoding)


def decode_gpus(wildcards):
    """Return how many GPUs the engine needs that decodes a checkpoint."""
    return experiment.decoding_of(wildcards.checkpoint, wildcards.decoding).gpus


def decode_memory(wildcards, manifests):
    """Return the memory in MB of a job that decodes the checkpoints of these manifests, one after the other.

    While one is not there, Snakemake takes the FileNotFoundError that names it as "not known yet".
    """
    for manifest in manifests:
        Path(manifest).stat()
    try:
        elements = max(read_manifest(Path(manifest)).elements for manifest in manifests)
    except UserError as error:
        raise WorkflowError(str(error))
    return costs.decode_memory(wildcards.checkpoint, wildcards.decoding, elements)


def study_of(wildcards):
    """Return a study's name; of a search's round only when its candidates are known, which its jobs wait for."""
    search, is_round, round_name = wildcards.study.partition("~")
    if is_round:
        wait_for_round(search, round_name)
    return wildcards.study


def wait_for_round(search, round_name):
    """Add a search's round to the experiment; its candidates are what the job that calls this waits for."""
    checkpoints.propose.get(search=search, round=round_name)
    experiment.add_round(search, round_name)


def spec_of(wildcards):
    """Return what a study's table is made from."""
    return experiment.studies[study_of(wildcards)].spec(wildcards.study, experiment, layout)


def responses_compared(wildcards):
    """Return the responses that a study reads."""
    return [layout.responses(*one) for one in experiment.compared(study_of(wildcards))]


def shards_compared(wildcards):
    """Return the scripts from which the page of a study loads responses."""
    return [layout.shard(*one) for one in experiment.compared(study_of(wildcards))]


def decoding_carded(wildcards):
    """Return what is known of the decoding of a checkpoint whose card is asked for."""
    decodings = [
        decoding for name, decoding in experiment.compared(study_of(wildcards)) if name == wildcards.checkpoint
    ]
    return layout.responses(wildcards.checkpoint, decodings[0], "json") if decodings else []


def datasets_of(wildcards):
    """Return the hub's data set of each benchmark of a study that has one."""
    names = experiment.studies[study_of(wildcards)].benchmarks
    sources = {name: experiment.registry.benchmark(name).source for name in names}
    return {name: source.repo for name, source in sources.items() if source.repo}


def questions_compared(wildcards):
    """Return the question tables of the benchmarks of a study."""
    return experiment.studies[study_of(wildcards)].questions(layout)


def calibration_gpus(wildcards):
    """Return the GPUs of a calibration job: on a cluster its node decides, and the machine that submits may have none."""
    device = experiment.config.calibration_device
    return int(device == "cuda" or (device == "auto" and (not workflow.local_exec or gpus.device_here() == "cuda")))


def merge_gpus(wildcards):
    """Return the GPUs of a merge job; what a CPU could not make again to the bit is merged on one if it is not kept."""
    device = experiment.config.merge_device
    if not experiment.config.keep_checkpoints and merge_of(wildcards).recipe.method.works_on == "matrices":
        return int(device == "cuda")
    return int(device == "cuda" or (device == "auto" and workflow.local_exec and gpus.device_here() == "cuda"))


def generation_files(wildcards):
    """Return the files of an import, and of the tokenizer that counts its lengths if it is a local one."""
    entry = experiment.registry.imported(wildcards.imported)
    return [path for part in entry.files for path in part.paths] + local_tokenizer_files(entry.tokenizer)


def grades_compared(wildcards):
    """Return the grades of the responses that a study reads, by each of its graders."""
    graders = experiment.studies[study_of(wildcards)].graders
    return [layout.grades(*one, grader) for grader in graders for one in experiment.compared(wildcards.study)]


def rounds_before(wildcards):
    """Return the rounds of a search before one of them."""
    names = experiment.studies[wildcards.search].round_names
    return names[: names.index(wildcards.round)]


def models_searched(wildcards):
    """Return the manifests of the models of a search's pair."""
    models = experiment.studies[wildcards.search].models_read(experiment.registry)
    return [layout.manifest(fetched(model)) for model in models]


def measured_rounds(wildcards, names):
    """Return what a search's rounds measured: their candidates, tables and comparisons, as inputs of a rule."""
    studies = [round_study(wildcards.search, name) for name in names]
    return {
        "candidates": [layout.candidates(wildcards.search, name) for name in names],
        "tables": list(map(layout.table, studies)),
        "comparisons": list(map(layout.comparisons, studies)),
    }


def slow_model_asked(wildcards):
    """Return the slow model's responses and grades to the report's questions: as decoded, then with the prompt that asks
    for brevity if there is one."""
    study = experiment.studies[wildcards.search]
    wait_for_round(wildcards.search, REPORT)
    slow = fetched(experiment.registry.pair(study.pair, wildcards.search).slow[0])
    asked_last = round_study(wildcards.search, REPORT)
    decodings = [asked_in(name, asked_last) for name in (study.decoding, study.brief) if name]
    return {
        "responses": [layout.responses(slow, decoding) for decoding in decodings],
        "grades": [layout.grades(slow, decoding, study.grader) for decoding in decodings],
    }


def found_by(wildcards):
    """Return the setting that a search found; None if none keeps its promise."""
    return read_json(Path(checkpoints.judge.get(search=wildcards.search).output[0]), "delete it and run again")["found"]

"""Where everything lies in a results folder. Every path in it is written here, once.

Rules build their patterns from these functions, with wildcards as arguments (``layout.questions("{benchmark}")``);
scripts and commands that look into a results folder call them with names.

    questions/          <benchmark>.parquet; <benchmark>~<study>~<round>.parquet: those of a search's round
    examples/           <examples>/<set>.parquet: few-shot examples
    calibration_data/   <calibration data>.parquet
    checkpoints/        models/<model>/ or <pair>/<method>/<recipe>/: manifest.json, and weights beside it
    calibrations/       <kind>/<model>[/<model>]/<calibration data>-<answer>.json, and its data beside it
    spectra/            <base>/<model>.parquet
    responses/          <checkpoint>/<decode settings>.parquet and .json
    ahead/              <checkpoint>/<decode settings>/<share>.json: what was decoded into the store before
    grades/             <checkpoint>/<decode settings>/<grader>.parquet
    comparisons/        <study>.parquet
    disagreements/      <study>.parquet and its page
    drift/              <study>.txt, if no tolerance is broken
    index.html          the entry page, from which a person gets to all others
    pages/              checkpoints/<checkpoint>.html: what a checkpoint is, and what was measured of it;
                        responses/<study>/index.html: two checkpoints side by side; shards/<checkpoint>/<decode
                        settings>.js: the responses that these pages load
    tables/, noise/     <study>.parquet and its pages
    audit/              index.html; <published table>.parquet, .csv and .html
    figures/            <study>/<figure>, merges/<checkpoint>, spectra/<base>/<model>: .html, .svg, .png
    assets/             vega.js, which the figures' pages load
    store/              responses by the content of their checkpoint; training/: adapters; verdicts/, answers/: what
                        graders said
    scratch/            what exists only while a job runs
    cards/              <study>/<checkpoint>.md: model cards with what a study measured
    logs/, timings/     <rule>/<name of the output>
    search/             <study>/<round>.json: the candidates of a search's round; .trials.jsonl: what Optuna was told
    shortened/          <study>/: verdict.json, index.html and, if a merge keeps its promise, model/
    run/                what the run was: run.json, configuration.yaml, installed.txt, Snakefile
    ro-crate-metadata.json   every file with its digest, and the jobs that made them
"""

from dataclasses import dataclass

from l2s.checkpoints.manifest import MANIFEST_NAME

TABLE_FILES = ("parquet", "csv", "md", "tex", "html")
"""What a study's table is written as."""
FIGURE_FILES = ("html", "svg", "png")
"""What a figure is written as."""
MODELS = "models"
"""In place of a pair: fetched models lie by model (``checkpoints/models/<model>/``)."""
IMPORTS = "imports"
"""In place of a pair: responses that other tools generated (``responses/imports/<import>/imported.parquet``)."""
IMPORTED = "imported"
"""In place of decode settings, likewise."""
TRAININGS = "training"
"""In the store, beside the responses: what trainings keep."""
VERDICTS = "verdicts"
"""In the store: what graders have said of responses."""
ANSWERS = "answers"
"""In the store: what graders have said of answers, whoever gave them."""
ROUND = "~"
"""Before what belongs to a round of a search: no entry has it in its name."""
SHARDS = "pages/shards"
"""Where the scripts lie from which pages load responses."""
RUN = "run.json"
"""The file of a run that says when it was, on what, and what its jobs took."""
CRATE = "ro-crate-metadata.json"
"""The RO-Crate of a results folder; the format gives its name."""
CRATE_DIGEST = f"{CRATE}.sha256"
"""Beside it: its sha256, as sha256sum writes it."""


def fetched(model: str) -> str:
    """Return the name of a fetched model's checkpoint."""
    return f"{MODELS}/{model}"


def is_fetched(checkpoint: str) -> bool:
    """Say whether a checkpoint is a fetched model."""
    return checkpoint.startswith(f"{MODELS}/")


def imported(name: str) -> str:
    """Return the name under which an import takes part in studies, in place of a checkpoint's."""
    return f"{IMPORTS}/{name}"


def is_imported(checkpoint: str) -> bool:
    """Say whether what is named like a checkpoint is an import."""
    return checkpoint.startswith(f"{IMPORTS}/")


def model_of(checkpoint: str) -> str:
    """Return the entry of the model whose checkpoint this is, a fetched one's, or the entry of an import."""
    return checkpoint.removeprefix(f"{MODELS}/").removeprefix(f"{IMPORTS}/")


def round_study(search: str, round_name: str) -> str:
    """Return the name of the study that a search's round is."""
    return f"{search}{ROUND}{round_name}"


def asked_in(name: str, round_study: str) -> str:
    """Return what a benchmark or decode settings are called where only the questions of a search's round are asked."""
    return f"{name}{ROUND}{round_study}"


def entry_of(name: str) -> str:
    """Return the entry behind what ``asked_in`` returned; any other name stays."""
    return name.partition(ROUND)[0]


def questions_table(benchmark: str, decoding: str) -> str:
    """Return the name of the table of a benchmark's questions that is asked with decode settings."""
    return benchmark + decoding.removeprefix(entry_of(decoding))


@dataclass(frozen=True)
class Layout:
    """The paths in one results folder.

    Attributes:
        results: The folder, relative to the project or absolute.
    """

    results: str

    def questions(self, benchmark: str) -> str:
        """Return the table of a benchmark's questions."""
        return f"{self.results}/questions/{benchmark}.parquet"

    def examples(self, examples: str, name: str) -> str:
        """Return the table of one set of few-shot examples."""
        return f"{self.results}/examples/{examples}/{name}.parquet"

    def calibration_data(self, name: str) -> str:
        """Return the table of calibration data."""
        return f"{self.results}/calibration_data/{name}.parquet"

    def checkpoint(self, checkpoint: str) -> str:
        """Return the folder of a checkpoint, given by its name: ``models/<model>`` or ``<pair>/<method>/<recipe>``."""
        return f"{self.results}/checkpoints/{checkpoint}"

    def manifest(self, checkpoint: str) -> str:
        """Return the manifest of a checkpoint."""
        return f"{self.checkpoint(checkpoint)}/{MANIFEST_NAME}"

    def adapter(self, checkpoint: str) -> str:
        """Return what a training leaves beside its checkpoint's manifest: weights can be made from it again."""
        return f"{self.checkpoint(checkpoint)}/adapter/adapter_model.safetensors"

    def calibration(self, name: str) -> str:
        """Return the manifest of a calibration, given by its name: ``<kind>/<models>/<calibration data>-<answer>``."""
        return f"{self.results}/calibrations/{name}.json"

    def spectra(self, base: str, model: str) -> str:
        """Return the table of the spectra of a task vector."""
        return f"{self.results}/spectra/{base}/{model}.parquet"

    def responses(self, checkpoint: str, decoding: str, suffix: str = "parquet") -> str:
        """Return the table of responses (``parquet``), or what is known of the decoding (``json``)."""
        return f"{self.results}/responses/{checkpoint}/{decoding}.{suffix}"

    def ahead(self, checkpoint: str, decoding: str, share: str) -> str:
        """Return what a job has done that decoded a share of the questions into the store ahead."""
        return f"{self.results}/ahead/{checkpoint}/{decoding}/{share}.json"

    def grades(self, checkpoint: str, decoding: str, grader: str) -> str:
        """Return the table of grades."""
        return f"{self.results}/grades/{checkpoint}/{decoding}/{grader}.parquet"

    def table(self, study: str, suffix: str = "parquet") -> str:
        """Return a study's table, or one of its pages."""
        return self.page("tables", study, suffix)

    def comparisons(self, study: str) -> str:
        """Return the table of a study's comparisons."""
        return f"{self.results}/comparisons/{study}.parquet"

    def disagreements(self, study: str, suffix: str = "parquet") -> str:
        """Return the table of responses on which graders differ, or its page."""
        return self.page("disagreements", study, suffix)

    def drift(self, study: str) -> str:
        """Return the file that says that a drift study's lines are within its tolerances."""
        return f"{self.results}/drift/{study}.txt"

    def noise(self, study: str, suffix: str = "parquet") -> str:
        """Return the table of a noise study, or one of its pages."""
        return self.page("noise", study, suffix)

    def page(self, kind: str, study: str, suffix: str = "html") -> str:
        """Return the page of a study's ``tables``, ``noise`` or ``disagreements``, or what it is made from."""
        return f"{self.results}/{kind}/{study}.{suffix}"

    def audit(self, table: str, suffix: str = "parquet") -> str:
        """Return the audit of a published table, or its page; the page ``index`` leads to all."""
        return f"{self.results}/audit/{table}.{suffix}"

    def figure(self, study: str, figure: str, suffix: str = "html") -> str:
        """Return a study's figure."""
        return f"{self.results}/figures/{study}/{figure}.{suffix}"

    @property
    def vega(self) -> str:
        """The JavaScript that the figures' pages load."""
        return f"{self.results}/assets/vega.js"

    @property
    def index(self) -> str:
        """The entry page."""
        return f"{self.results}/index.html"

    def responses_page(self, study: str) -> str:
        """Return the page that shows the responses of a study's checkpoints side by side."""
        return f"{self.results}/pages/responses/{study}/index.html"

    def shard(self, checkpoint: str, decoding: str) -> str:
        """Return the script from which pages load the responses of a checkpoint."""
        return f"{self.results}/{SHARDS}/{checkpoint}/{decoding}.js"

    def checkpoint_page(self, checkpoint: str) -> str:
        """Return the page of a checkpoint, or of an import."""
        return f"{self.checkpoint_pages}/{checkpoint}.html"

    @property
    def checkpoint_pages(self) -> str:
        """The folder of the checkpoints' pages."""
        return f"{self.results}/pages/checkpoints"

    def merge_figure(self, checkpoint: str, suffix: str = "html") -> str:
        """Return the figure of a merge."""
        return f"{self.results}/figures/merges/{checkpoint}.{suffix}"

    def spectra_figure(self, base: str, model: str, suffix: str = "html") -> str:
        """Return the figure of a task vector's spectra."""
        return f"{self.results}/figures/spectra/{base}/{model}.{suffix}"

    def card(self, study: str, checkpoint: str) -> str:
        """Return the model card of a checkpoint with what a study measured of it."""
        return f"{self.results}/cards/{study}/{checkpoint}.md"

    def candidates(self, search: str, round_name: str) -> str:
        """Return the candidates of a search's round."""
        return f"{self.results}/search/{search}/{round_name}.json"

    def trials(self, search: str, round_name: str) -> str:
        """Return what Optuna was told before it proposed a round's candidates, as JSON Lines."""
        return f"{self.results}/search/{search}/{round_name}.trials.jsonl"

    def verdict(self, search: str) -> str:
        """Return what a search found."""
        return f"{self.results}/shortened/{search}/verdict.json"

    def shortened_page(self, search: str) -> str:
        """Return the page of a search."""
        return f"{self.results}/shortened/{search}/index.html"

    def shortened_model(self, search: str) -> str:
        """Return the manifest in the folder of the model that a search found."""
        return f"{self.results}/shortened/{search}/model/{MANIFEST_NAME}"

    @property
    def crate(self) -> str:
        """The RO-Crate: every file of the folder with its digest, and the jobs that made them."""
        return f"{self.results}/{CRATE}"

    def run_file(self, name: str) -> str:
        """Return a file that says what the run was: times, configuration, installed packages, workflow."""
        return f"{self.results}/run/{name}"

    @property
    def store(self) -> str:
        """The response store, and what trainings keep."""
        return f"{self.results}/store"

    def verdicts(self, checkpoint: str, decoding: str) -> str:
        """Return the folder in which graders keep their verdicts on a checkpoint's responses."""
        return f"{self.store}/{VERDICTS}/{checkpoint}/{decoding}"

    @property
    def answers(self) -> str:
        """The folder in which graders keep what they have said of answers, for all checkpoints."""
        return f"{self.store}/{ANSWERS}"

    @property
    def scratch(self) -> str:
        """Where weights that are not kept are made, unless the configuration names another folder."""
        return f"{self.results}/scratch"

    def log(self, rule: str, name: str = "") -> str:
        """Return the log of a rule's job, by the name of what it makes."""
        return f"{self.results}/logs/{rule}{name and '/'}{name}.log"

    @property
    def timings(self) -> str:
        """The time and memory that every job took."""
        return f"{self.results}/timings"

    def timing(self, rule: str, name: str) -> str:
        """Return the time and memory that a rule's job took, as Snakemake measured them."""
        return f"{self.timings}/{rule}/{name}.tsv"

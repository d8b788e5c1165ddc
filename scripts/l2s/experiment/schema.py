"""What the top-level configuration and the studies (``config/studies/``) may say."""

from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator

from l2s.config import StrictModel

Folder = Literal[
    "models", "pairs", "recipes", "benchmarks", "examples", "calibration_data", "prompts", "decoding", "studies"
]
"""A folder of entries in ``config/``."""


class MainConfig(StrictModel):
    """The top level: ``config/config.yaml``, with what ``--configfile`` and ``--config`` add or replace."""

    results: str = Field(min_length=1, description="folder of everything that a run makes")
    studies: tuple[str, ...] = Field(min_length=1, description="entries of config/studies that 'all' means")
    prune: Literal["list", "delete"] = Field("list", description="what 'snakemake prune' does")
    keep_checkpoints: bool = Field(True, description="false: merged weights exist only while they are decoded")
    scratch: str | None = Field(
        None, description="folder for weights that are not kept, best on each node; absent: in the results folder"
    )
    decoding: str | None = Field(None, description="entry of config/decoding that takes the place of every study's own")
    stand_ins: dict[Folder, dict[str, str]] = Field(
        {}, description="by folder: entry → entry that takes its place wherever it is named, e.g. in a rehearsal"
    )
    title_prefix: str = Field("", description="what every page's title begins with")
    first_questions: int | None = Field(None, gt=0, description="ask only so many questions of each benchmark")
    merge_threads: int = Field(gt=0, description="tensors that a merge job works on at a time")
    benchmark_files: str | None = Field(
        None, description="folder of <benchmark>.jsonl files that are read instead of the network"
    )
    calibration_device: Literal["cpu", "cuda"] = Field("cpu", description="where calibrations are measured")
    calibration_threads: int = Field(1, gt=0, description="threads of a calibration job on the CPU")
    calibration_gb: float = Field(
        16, gt=0, description="room for hidden states on the disk of a calibration job, 10^9 bytes"
    )


class Study(StrictModel):
    """What every kind of study has."""

    title: str = Field(description="title of the study's pages")

    @field_validator("pairs", "models", "benchmarks", "figures", "studies", check_fields=False)
    @classmethod
    def _once_each(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"named more than once: {', '.join(twice)}")
        return names


class MeasuredStudy(Study):
    """A study of responses: pairs × recipes × benchmarks, decode settings, grader."""

    pairs: tuple[str, ...] = Field(min_length=1, description="entries of config/pairs")
    models: tuple[str, ...] | None = Field(
        None, description="entries of config/models that have a line of their own; absent: quick and slow of each pair"
    )
    recipes: tuple[str | dict[str, Any], ...] = Field(
        description="entries of config/recipes, or recipes written out, where a list stands for each of its values"
    )
    benchmarks: tuple[str, ...] = Field(min_length=1, description="entries of config/benchmarks")
    decoding: str = Field(description="entry of config/decoding")
    grader: str = Field(description="module of scripts/l2s/grading/graders")

    @property
    def decodings(self) -> tuple[str, ...]:
        """The decode settings that every checkpoint is asked with."""
        return (self.decoding,)


class TableStudy(MeasuredStudy):
    """One table and its figures."""

    kind: Literal["table"] = Field("table", description="table: accuracy and length of each recipe")
    cell: Literal["length", "reflection", "reflective"] | None = Field(
        None, description="what a cell of a table in the paper's layout holds, see analysis/paper_table.py"
    )
    figures: tuple[str, ...] = Field((), description="modules of scripts/l2s/analysis/figures")


class NoiseStudy(MeasuredStudy):
    """How much responses and grades change if they are decoded again with settings that should not matter."""

    kind: Literal["noise"] = Field(description="noise: what decoding again changes")
    again: tuple[str, ...] = Field(min_length=1, description="entries of config/decoding to compare with the first")

    @property
    def decodings(self) -> tuple[str, ...]:
        """The decode settings that every checkpoint is asked with."""
        return (self.decoding, *self.again)


class SpectraStudy(Study):
    """The singular values of the task vectors of pairs, and their figures."""

    kind: Literal["spectra"] = Field(description="spectra: singular values of task vectors")
    pairs: tuple[str, ...] = Field(min_length=1, description="entries of config/pairs")


class StudyGroup(Study):
    """Several studies under one name."""

    kind: Literal["group"] = Field(description="group: several studies under one name")
    studies: tuple[str, ...] = Field(min_length=1, description="entries of config/studies")


STUDY_KINDS: dict[str, type[Study]] = {
    "table": TableStudy,
    "noise": NoiseStudy,
    "spectra": SpectraStudy,
    "group": StudyGroup,
}


class TaskVector(NamedTuple):
    """A model and the base that its task vector is taken from, both entries of ``config/models``."""

    base: str
    model: str


class Line(NamedTuple):
    """A line of a study's table: a checkpoint, and the reference that its lengths are compared with."""

    pair: str
    method: str
    recipe: str
    hyper_parameters: dict[str, Any]
    checkpoint: str
    reference: str

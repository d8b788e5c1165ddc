"""What the top-level configuration may say."""

from typing import Literal

from pydantic import Field

from l2s.config import NAME, StrictModel

Folder = Literal[
    "models",
    "pairs",
    "recipes",
    "benchmarks",
    "examples",
    "calibration_data",
    "prompts",
    "decoding",
    "imports",
    "studies",
]
"""A folder of entries in ``config/``."""


class MainConfig(StrictModel):
    """The top level: ``config/config.yaml`` or the file of ``--configfile``, changed by ``--config``."""

    results: str = Field(min_length=1, description="folder of everything that a run makes")
    studies: tuple[str, ...] = Field(min_length=1, description="entries of config/studies that 'all' means")
    prune: Literal["list", "delete"] = Field("list", description="what 'snakemake prune' does")
    keep_checkpoints: bool = Field(True, description="false: merged weights exist only while they are decoded")
    scratch: str | None = Field(
        None, description="folder for weights that are not kept, best on each node; absent: in the results folder"
    )
    published: str | None = Field(
        None,
        pattern=NAME.pattern,
        description="folder of config/published whose numbers the studies are compared with; absent: no audit",
    )
    decoding: str | None = Field(None, description="entry of config/decoding that takes the place of every study's own")
    stand_ins: dict[Folder, dict[str, str]] = Field(
        {}, description="by folder: entry → entry that takes its place wherever it is named, e.g. in a rehearsal"
    )
    title_prefix: str = Field("", description="what every page's title begins with")
    first_questions: int | None = Field(None, gt=0, description="ask only so many questions of each benchmark")
    merge_threads: int = Field(4, gt=0, le=4096, description="tensors that a merge job works on at a time")
    merge_device: Literal["auto", "cpu", "cuda"] = Field(
        "cpu",
        description="where merges are computed; auto: on a GPU where the jobs' machine has one, but not on a cluster. "
        "Methods that go element by element give the same tensors on both, to the bit; those on whole matrices (lore, "
        "twin) agree within 1e-4 of a matrix's norm, and go to a GPU only with keep_checkpoints. No merge is made "
        "again because of it",
    )
    benchmark_files: str | None = Field(
        None, description="folder of <benchmark>.jsonl files that are read instead of the network"
    )
    calibration_device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="where calibrations are measured; auto: on a GPU where the jobs' machine has one, and always on a "
        "cluster, else on the CPU. No calibration is measured again because of it",
    )
    calibration_threads: int = Field(4, gt=0, le=4096, description="threads of a calibration job on the CPU")
    calibration_gb: float = Field(
        16, gt=0, le=1_000_000, description="room for hidden states on the disk of a calibration job, 10^9 bytes"
    )

    def titled(self, title: str) -> str:
        """Return the title of a page, with what the configuration puts before every title."""
        return self.title_prefix + title

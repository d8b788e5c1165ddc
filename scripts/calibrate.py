"""Calibrate a model: the calibrate rule's script, and a command line of its own.

    python scripts/calibrate.py --kind activations --model DIR --calibration-data demo --answer quick \\
        --out activations.json

Kinds: activations (for aim), sensitivities (for sens), logit_distances (between two models; for sens as published).
The data lies beside the manifest that --out names, with its own suffix.
"""

import importlib
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pyarrow as pa
import typer

from l2s.checkpoints.weights import Checkpoint, locate
from l2s.config import entry_path, read_entry
from l2s.contracts.calibration_data import CALIBRATION_DATA
from l2s.contracts.calibrations import (
    SUFFIX,
    CalibrationManifest,
    Kind,
    write_manifest,
)
from l2s.contracts.parquet import read_table
from l2s.errors import UserError
from l2s.files import sha256_file
from l2s.gpus import lease
from l2s.jobs import run_cli, run_job
from l2s.sources.benchmarks import rows_digest
from l2s.sources.calibration_data import CalibrationDataEntry, load_calibration_data
from l2s.steps import register_steps

CONFIG = Path(__file__).resolve().parents[1] / "config"
Device = Literal["cpu", "cuda"]


def main(
    kind: Annotated[Kind, typer.Option(help="What to measure.")],
    model: Annotated[list[str], typer.Option(help="Model folder or owner/name@<commit>; two for logit_distances.")],
    calibration_data: Annotated[str, typer.Option(help="Calibration data: entry name or YAML file.")],
    answer: Annotated[Literal["quick", "slow"], typer.Option(help="Which answers the models read.")],
    out: Annotated[Path, typer.Option(help="Manifest to write, .json; the data goes beside it.")],
    device: Annotated[Device, typer.Option(help="Where to compute.")] = "cpu",
    budget_gb: Annotated[float, typer.Option(min=0.001, help="Room for hidden states, in 10^9 bytes.")] = 4.0,
    scratch: Annotated[
        Path | None, typer.Option(help="New folder to keep hidden states in while measuring. Default: in memory.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads on the CPU.")] = len(os.sched_getaffinity(0)),
) -> None:
    """Measure a calibration of a model, or of two, with one decoder layer in memory at a time."""
    path = entry_path(CONFIG / "calibration_data", calibration_data, "--calibration-data")
    entry = read_entry(path, CalibrationDataEntry)
    if out.suffix != ".json":
        raise UserError(f"{out}: --out must end in .json; the data goes beside it")
    checkpoints = [Checkpoint.from_folder(locate(name)) for name in model]
    work = Work(device, threads, int(budget_gb * 1e9), scratch)
    calibrate(kind, checkpoints, load_calibration_data(entry, str(path)), path.stem, entry, answer, out, work)


class Work(NamedTuple):
    """What a calibration runs on: device, threads, room for hidden states (see ``kept.Room``), Snakemake's GPUs."""

    device: Device
    threads: int
    budget: int
    scratch: Path | None
    granted: int | None = None


def calibrate_job(
    kind: Kind,
    manifests: list[Path],
    calibration_data: Path,
    name: str,
    entry: dict[str, Any],
    answer: str,
    out: Path,
    work: Work,
) -> None:
    """Calibrate inside the workflow.

    Args:
        kind: What to measure.
        manifests: Manifests of the models.
        calibration_data: Parquet file with the schema CALIBRATION_DATA.
        name: Name of the calibration data.
        entry: Its entry.
        answer: ``quick`` or ``slow``.
        out: Manifest to write.
        work: What to run on.
    """
    checkpoints = [Checkpoint.from_manifest(path) for path in manifests]
    parsed = CalibrationDataEntry.model_validate(entry)
    calibrate(kind, checkpoints, read_table(calibration_data, CALIBRATION_DATA), name, parsed, answer, out, work)


def calibrate(
    kind: Kind,
    checkpoints: list[Checkpoint],
    calibration_data: pa.Table,
    name: str,
    entry: CalibrationDataEntry,
    answer: str,
    out: Path,
    work: Work,
) -> None:
    """Measure and write data, then the manifest that makes them a calibration."""
    import torch

    from l2s.calibration.hidden_states import Room
    from l2s.calibration.streamed import StreamedModel
    from l2s.calibration.texts import encode
    from l2s.checkpoints.tokenizer import load_tokenizer

    wanted = 2 if kind == "logit_distances" else 1
    if len(checkpoints) != wanted:
        raise UserError(f"--model: {kind} are measured on {wanted} model(s), found {len(checkpoints)}")
    if work.device == "cuda":
        lease(1, work.granted)
        if not torch.cuda.is_available():
            raise UserError("device 'cuda' was asked for but there is no CUDA device; use cpu")
    torch.set_num_threads(work.threads)
    rows, text = calibration_data.to_pylist(), getattr(entry.texts, answer)
    tokenizer = load_tokenizer(checkpoints[0].config_files(), needs_end=True)
    texts = encode(rows, text, answer, entry.max_tokens, tokenizer)
    tokens, cut = sum(len(text.ids) for text in texts), sum(text.cut for text in texts)
    print(f"{len(texts)} texts, {tokens:,} tokens; {cut} cut at {entry.max_tokens}", flush=True)
    data = out.with_suffix(SUFFIX[kind])
    with ExitStack() as stack:
        models = [stack.enter_context(StreamedModel(c.weights(), work.device)) for c in checkpoints]
        importlib.import_module(f"l2s.calibration.{kind}").write(models, texts, Room(work.budget, work.scratch), data)
    manifest = CalibrationManifest(
        kind=kind,
        models=tuple(checkpoint.manifest.content_id for checkpoint in checkpoints),
        calibration_data=name,
        calibration_data_sha256=rows_digest(rows),
        answer=answer,
        text=text,
        max_tokens=entry.max_tokens,
        count=len(texts),
        tokens=tokens,
        answer_tokens=sum(text.answer_tokens for text in texts),
        cut=cut,
        file=data.name,
        sha256=sha256_file(data),
    )
    write_manifest(manifest, out)
    print(f"{out}: {kind} of {', '.join(manifest.models)}")


register_steps()

if "snakemake" in globals():
    run_job(
        calibrate_job,
        snakemake,
        kind=snakemake.wildcards.kind,
        manifests=[Path(path) for path in snakemake.input.models],
        calibration_data=Path(snakemake.input.calibration_data),
        name=snakemake.wildcards.calibration_data,
        entry=snakemake.params.entry,
        answer=snakemake.wildcards.answer,
        out=Path(snakemake.output.manifest),
        work=Work(
            # Where it runs and how much room it has decides no more than the last bits: not a reason to run again.
            snakemake.config["calibration_device"],
            snakemake.threads,
            int(snakemake.config["calibration_gb"] * 1e9),
            Path(snakemake.output.manifest).with_suffix(".scratch"),
            snakemake.resources.gpu,
        ),
    )
elif __name__ == "__main__":
    run_cli(main)

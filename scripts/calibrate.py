"""Calibrate a model: the rule calibrate, and a command line of its own.

    python scripts/calibrate.py --kind activations --model DIR --calibration-data demo --answer quick \\
        --out activations.json

A kind is a module of scripts/l2s/calibration/kinds.
The data lies beside the manifest that --out names, with its own suffix.
"""

import importlib
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer

from l2s.calibration.kinds import kind_module, kind_names
from l2s.checkpoints.weights import Checkpoint
from l2s.config import Named, entry_of_rule, entry_option
from l2s.contracts.calibration_data import CALIBRATION_DATA, Answer
from l2s.contracts.calibrations import CalibrationManifest, write_manifest
from l2s.contracts.parquet import read_table
from l2s.errors import UserError
from l2s.files import sha256_file
from l2s.gpus import take_device
from l2s.jobs import run_cli, run_job
from l2s.sources.calibration_data import CalibrationDataEntry, load_calibration_data
from l2s.sources.pinning import rows_digest
from l2s.steps import register_steps


def main(
    kind: Annotated[str, typer.Option(help=f"What to measure: {', '.join(kind_names())}.")],
    model: Annotated[
        list[str],
        typer.Option(
            metavar="<str>",
            help="Folder of a model, its manifest.json, or owner/name@<40-digit commit>; as many as the kind takes.",
        ),
    ],
    calibration_data: Annotated[
        Named[CalibrationDataEntry],
        typer.Option(
            parser=entry_option("calibration_data", CalibrationDataEntry, "--calibration-data"),
            metavar="ENTRY",
            help="Calibration data: entry of config/calibration_data or YAML file.",
        ),
    ],
    answer: Annotated[Answer, typer.Option(help="Which answers the models read.")],
    out: Annotated[Path, typer.Option(help="Manifest to write, .json; the data goes beside it.")],
    rows: Annotated[
        Path | None,
        typer.Option(help="Its rows: Parquet file of load_calibration_data.py. Default: they are loaded."),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute; auto: on a GPU where there is one.")
    ] = "auto",
    budget_gb: Annotated[float, typer.Option(min=0.001, help="Room for hidden states, in 10^9 bytes.")] = 4.0,
    scratch: Annotated[
        Path | None, typer.Option(help="New folder to keep hidden states in while measuring. Default: in memory.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads on the CPU.")] = len(os.sched_getaffinity(0)),
    gpus: Annotated[
        int | None, typer.Option(help="GPUs that were granted; fewer than needed is an error. Default: any number.")
    ] = None,
) -> None:
    """Measure a calibration of a model, or of two, with one decoder layer in memory at a time."""
    import torch

    from l2s.calibration.hidden_states import Room
    from l2s.calibration.streamed import StreamedModel
    from l2s.calibration.texts import encode
    from l2s.checkpoints.tokenizer import load_tokenizer

    if out.suffix != ".json":
        raise UserError(f"{out}: --out must end in .json; the data goes beside it")
    measured = importlib.import_module(kind_module(kind, "--kind"))
    if len(model) != measured.MODELS:
        raise UserError(f"--model: {kind} are measured on {measured.MODELS} model(s), found {len(model)}")
    entry = calibration_data.entry
    table = read_table(rows, CALIBRATION_DATA) if rows else load_calibration_data(entry, calibration_data.where)
    checkpoints = [Checkpoint.find(given) for given in model]
    device = take_device(device, gpus)
    torch.set_num_threads(threads)
    read, forms = table.to_pylist(), entry.texts.with_answer(answer)
    tokenizer = load_tokenizer(checkpoints[0].config_files(), needs_end=True)
    texts = encode(read, forms, entry.max_tokens, tokenizer)
    tokens, cut = sum(len(text.ids) for text in texts), sum(text.cut for text in texts)
    print(f"{len(texts)} texts, {tokens:,} tokens; {cut} cut at {entry.max_tokens}", flush=True)
    data = out.with_suffix(measured.SUFFIX)
    with ExitStack() as stack:
        models = [
            stack.enter_context(StreamedModel(checkpoint.checked_weights(), device)) for checkpoint in checkpoints
        ]
        measured.write(models, texts, Room(int(budget_gb * 1e9), scratch), data)
    manifest = CalibrationManifest(
        kind=kind,
        models=tuple(checkpoint.manifest.content_id for checkpoint in checkpoints),
        calibration_data=calibration_data.name,
        calibration_data_sha256=rows_digest(read),
        answer=answer,
        texts=forms,
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
    name = snakemake.wildcards.calibration_data
    run_job(
        main,
        snakemake,
        kind=snakemake.wildcards.kind,
        model=snakemake.input.models,
        calibration_data=entry_of_rule("calibration_data", CalibrationDataEntry, name, snakemake.params.entry),
        answer=snakemake.wildcards.answer,
        out=Path(snakemake.output.manifest),
        rows=Path(snakemake.input.calibration_data),
        # Where it runs and how much room it has decides no more than the last bits: not a reason to run again.
        device=snakemake.config["calibration_device"],
        budget_gb=snakemake.config["calibration_gb"],
        scratch=Path(snakemake.output.manifest).with_suffix(".scratch"),
        threads=snakemake.threads,
        gpus=snakemake.resources.gpu,
    )
elif __name__ == "__main__":
    run_cli(main)

"""Calibration at full size: wall time and peak memory of activations and sensitivities, random weights and tokens.

    python tests/bench/bench_calibration.py --folder /tmp --shape 7b

Prints one line for each kind. Peak memory is that of a process of its own, Python and PyTorch included.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from synthetic import SHAPES, build_model

from l2s.calibration.hidden_states import Room
from l2s.calibration.kinds import activations, sensitivities
from l2s.calibration.streamed import StreamedModel
from l2s.calibration.texts import Text

SAMPLES, TOKENS, QUESTION_TOKENS = 4, 128, 32
KINDS = {"activations": activations, "sensitivities": sensitivities}


def main(
    folder: Annotated[Path, typer.Option(help="Folder for the model: 15 GB at 7b.")],
    shape: Annotated[str, typer.Option(help=f"One of {', '.join(SHAPES)}.")] = "7b",
    kind: Annotated[str | None, typer.Option(help="Measure this kind in this process.")] = None,
) -> None:
    """Build a model of random weights if it is not there, and measure each kind in a process of its own."""
    model = folder / f"l2s-calibration-{shape}"
    if kind is None:
        build_model(SHAPES[shape], model)
        print(f"{shape}, {SAMPLES} samples of {TOKENS} tokens, {torch.get_num_threads()} threads")
        for each in KINDS:
            options = ["--folder", str(folder), "--shape", shape, "--kind", each]
            subprocess.run([sys.executable, __file__, *options], check=True)
        return
    generator = torch.Generator().manual_seed(0)
    started = time.monotonic()
    with StreamedModel(model) as streamed:
        texts = [
            Text(str(n), torch.randint(streamed.vocabulary, (TOKENS,), generator=generator), QUESTION_TOKENS, False)
            for n in range(SAMPLES)
        ]
        KINDS[kind].measure(streamed, texts, Room(1 << 30))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{kind}: {time.monotonic() - started:.0f} s, peak {peak / 1e9:.2f} GB")


if __name__ == "__main__":
    typer.run(main)

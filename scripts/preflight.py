"""Compare models before merging them: what differs, and what a merge would do about it.

    python scripts/preflight.py workflow/resources/demo/quick workflow/resources/demo/slow

Give the base first and the slow model last. Reads headers, small files and samples only: seconds for any size.
"""

from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from l2s.calibration.architectures import not_calibrated
from l2s.checkpoints.manifest import GET_AGAIN
from l2s.checkpoints.preflight import compare, verdict
from l2s.checkpoints.weights import find_weights
from l2s.errors import UserError
from l2s.files import read_json
from l2s.jobs import run_cli
from l2s.steps import register_steps

NARROWEST = 110


def main(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL MODEL ...",
            help="Two or more models, the base first and the slow model last: for each its folder, its manifest.json, "
            "or owner/name@<40-digit commit>.",
        ),
    ],
) -> None:
    """Print a table of how the models compare; exit with status 1 if they cannot be merged."""
    if len(models) == 1:
        raise UserError(f"{models[0]}: there is nothing to compare it with; give two or more models")
    folders = [find_weights(model) for model in models]
    findings = compare(folders)
    table = Table(box=SIMPLE_HEAD)
    for column in ("", *models, "if merged"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        policy = "cannot be merged" if finding.policy is None else finding.policy or "same"
        table.add_row(finding.topic, *finding.values, policy)
    Console(width=max(Console().width, NARROWEST)).print(table)
    if any(finding.policy is None for finding in findings):
        raise UserError(verdict(findings))
    print(f"verdict: {verdict(findings)}")
    if reason := not_calibrated(read_json(folders[0] / "config.json", GET_AGAIN)):
        print(f"only methods that read no calibrations can merge them: {reason}")


register_steps()

if __name__ == "__main__":
    run_cli(main)

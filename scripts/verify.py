"""Compare a results folder with its RO-Crate, and say what changed, is missing or is new.

Besides, what was made of another model, by other code or with other packages than are there now is told as outdated.

    python scripts/verify.py --results results/demo

It reads every file that the crate covers (docs/provenance.md), and nothing outside the results folder.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from l2s.crate.outdated import outdated
from l2s.crate.verify import verify
from l2s.jobs import run_cli


def main(
    results: Annotated[Path, typer.Option(help="Results folder, or an unpacked archive of one.")],
    weights: Annotated[bool, typer.Option(help="Whether to read the weights that are there as well.")] = True,
) -> None:
    """Compare a results folder with its crate; exit with 1 if a file changed or is missing."""
    for sentence in outdated(results):
        print(f"outdated {sentence}")
    findings = verify(results, weights)
    for kind in ("changed", "missing", "new"):
        for path in getattr(findings, kind):
            print(f"{kind:8} {path}")
    caches = len(findings.deleted_caches)
    print(
        f"{results}: {len(findings.changed)} changed, {len(findings.missing)} missing, {len(findings.new)} new"
        + (f"; {caches} files of weights and kept responses are not there (jobs make them again)" if caches else "")
    )
    sys.exit(0 if findings.sound else 1)


if __name__ == "__main__":
    run_cli(main)

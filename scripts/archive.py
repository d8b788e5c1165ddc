"""Pack a results folder, without weights, into a ZIP file that can be verified and worked on elsewhere.

    python scripts/archive.py --results results/demo --out demo.zip

Left out are weights and the response store, which jobs make again, scratch, and hidden files. Unpack it in a copy of
the project: docs/provenance.md says what can be done there.
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.crate.archive import archive
from l2s.jobs import run_cli


def main(
    results: Annotated[Path, typer.Option(help="Results folder, relative to the project as the configuration has it.")],
    out: Annotated[Path, typer.Option(help="ZIP file to write.")],
) -> None:
    """Pack a results folder, without weights, into a ZIP file."""
    count = archive(results, out)
    print(f"{out}: {count} files, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_cli(main)

"""Write the configuration reference and the JSON Schemas of entries: docs/configuration.md, docs/schemas/.

python scripts/make_docs.py
"""

from pathlib import Path
from typing import Annotated

import typer

from l2s.files import write_text
from l2s.jobs import run_cli
from l2s.reference.documents import documents

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main(out: Annotated[Path, typer.Option(help="Folder to write to.")] = DOCS) -> None:
    """Write the configuration reference and the JSON Schemas of entries."""
    for name, text in documents().items():
        write_text(out / name, text)
        print(out / name)


if __name__ == "__main__":
    run_cli(main)

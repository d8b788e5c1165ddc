"""What a study may be called: its name is a target of Snakemake's and a part of paths."""

import re
from pathlib import Path

from l2s.errors import UserError

WORKFLOW = Path(__file__).resolve().parents[3]
ALLOWED = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
RULE = re.compile(r"^rule (\w+):", re.MULTILINE)


def check_study_name(name: str, asked_by: str) -> None:
    """Refuse a study's name that cannot be a target beside the workflow's rules.

    Raises:
        UserError: Names the study and who asked for it.
    """
    if not ALLOWED.fullmatch(name):
        raise UserError(
            f"{asked_by}: a study cannot be called '{name}': use letters, digits, '_', '.' and '-', the first one no "
            "'.' or '-'; rename its file"
        )
    files = [WORKFLOW / "Snakefile", *(WORKFLOW / "workflow" / "rules").glob("*.smk")]
    if any(name in RULE.findall(file.read_text(encoding="utf-8")) for file in files):
        raise UserError(f"{asked_by}: a study cannot be called '{name}': a rule has that name; rename its file")

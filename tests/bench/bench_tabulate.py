"""Time and memory of comparing and tabulating hundreds of checkpoints, of responses at the paper's lengths.

    python tests/bench/bench_tabulate.py 58 500

A few files of made-up responses, with as many rows and tokens as a 7B model's to the paper's six benchmarks, stand for
the files of so many checkpoints; what is read once is read as often as if they were different. Half of the responses
are read at a smaller budget besides.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.config import read_entry
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import write_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES
from l2s.plan.estimates import Estimates

ROOT = Path(__file__).resolve().parents[2]
ROWS = {"gsm8k": 1319, "math500": 500, "minerva_math": 272, "olympiadbench": 675, "college_math": 2818, "aime24": 30}
GRADERS = ("math_verify", "toolkit")
FILES = 4  # different ones
CHARACTERS = 3  # to a token
BUDGET = 2048


def main(counts: Annotated[list[int], typer.Argument(help="Numbers of checkpoints.")]) -> None:
    """Print a table of seconds and peak memory of compare.py and make_table.py."""
    print("| checkpoints | compare: CPU s | MB | make_table: CPU s | MB |\n| --: | --: | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = [write_files(folder, number, "slow" if number == 0 else "merged") for number in range(FILES)]
        questions = write_questions(folder)
        for count in counts:
            spec = write_spec(folder, files, questions, count)
            comparisons = folder / "comparisons.parquet"
            compared = measured("compare.py", "--spec", str(spec), "--out", str(comparisons))
            options = ("--comparisons", str(comparisons), "--out", str(folder / "table"))
            tabulated = measured("make_table.py", "--spec", str(spec), *options)
            print(f"| {count} | {compared[0]:.0f} | {compared[1]} | {tabulated[0]:.0f} | {tabulated[1]} |", flush=True)


def write_files(folder: Path, number: int, role: str) -> dict:
    """Write a checkpoint's responses, in two readings, and grades."""
    estimates, draw = read_entry(ROOT / "config/estimates.yaml", Estimates), np.random.default_rng(number)
    lengths = np.concatenate([draw.exponential(estimates.length(name, role), ROWS[name]) for name in ROWS])
    whole = np.clip(lengths, 30, 10240).astype(np.int32)
    tokens = np.concatenate([whole, np.minimum(whole, BUDGET)])
    count = len(whole)
    filler = "Wait, let me check that 3 x + 4 y = 12 holds, so that x = 0.5. " * (10240 * CHARACTERS // 60)
    names = np.repeat(list(ROWS), list(ROWS.values())).tolist() * 2
    ids = [str(place) for rows in ROWS.values() for place in range(rows)] * 2
    key = {"benchmark": names, "question_id": ids, "sample": [0] * 2 * count, "read_at": [None] * 2 * count}
    key["budget"] = [None] * count + [BUDGET] * count
    columns = {
        **key,
        "prompt_sha256": ["0" * 64] * 2 * count,
        "prompt_tokens": [200] * 2 * count,
        "text": [filler[: CHARACTERS * length] for length in tokens],
        "output_ids": [draw.integers(0, 150_000, length, dtype=np.int32) for length in tokens],
        "output_tokens": tokens,
        "retokenized": tokens,
        "finish_reason": ["length" if length in (10240, BUDGET) else "stop" for length in tokens],
        "thinking_closed": [True] * 2 * count,
        "repetition": [None] * 2 * count,
        "imported_score": [None] * 2 * count,
    }
    responses = folder / f"responses{number}.parquet"
    write_table(pa.table(columns, schema=RESPONSES), responses)
    outcome = draw.choice(["correct", "wrong"], 2 * count, p=[0.6, 0.4]).tolist()
    plain = {"answer": ["1"], "answer_start": [0], "answer_end": [1], "gold": ["1"], "gold_parsed": ["1"]}
    grades = {**key, "outcome": outcome, **{name: value * 2 * count for name, value in plain.items()}}
    write_table(pa.table(grades, schema=GRADES), folder / f"grades{number}.parquet")
    return {"responses": str(responses), "grades": dict.fromkeys(GRADERS, str(folder / f"grades{number}.parquet"))}


def write_questions(folder: Path) -> list[str]:
    """Write the tables of questions."""
    paths = []
    for name, rows in ROWS.items():
        filled = {"benchmark": [name] * rows, "question_id": [str(place) for place in range(rows)]}
        words = {field.name: ["What is 1?"] * rows for field in QUESTIONS if pa.types.is_string(field.type)}
        others = {field.name: [None] * rows for field in QUESTIONS}
        paths.append(str(folder / f"{name}.parquet"))
        write_table(pa.table({**others, **words, **filled}, schema=QUESTIONS), Path(paths[-1]))
    return paths


def write_spec(folder: Path, files: list[dict], questions: list[str], count: int) -> Path:
    """Write what a table of so many checkpoints is made from; the first is the reference of all."""
    head = {"pair": "7b", "method": "ties", "reference": "m0", "budgets": [BUDGET]}
    spec = {
        "study": "s",
        "title": "Bench",
        "reference": "m0",
        "benchmarks": list(ROWS),
        "questions": questions,
        "rows": [{**head, "recipe": f"recipe {place}", "checkpoint": f"m{place}"} for place in range(count)],
        "checkpoints": {f"m{place}": files[place % FILES] for place in range(count)},
    }
    (folder / "spec.yaml").write_text(json.dumps(spec))
    return folder / "spec.yaml"


def measured(script: str, *options: str) -> tuple[float, int]:
    """Return a script's CPU seconds and peak memory in MB, of a process of its own."""
    command = [sys.executable, str(ROOT / "scripts" / script), *options]
    report = "import resource,subprocess,sys; done = subprocess.run(sys.argv[1:], stdout=2); " + (
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss); sys.exit(done.returncode)"
    )
    done = subprocess.run([sys.executable, "-c", report, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    seconds, kilobytes = map(float, done.stdout.split()[-2:])
    return seconds, round(kilobytes / 1024)


if __name__ == "__main__":
    typer.run(main)

"""Measure grading: as many responses as the paper asks of one checkpoint, at real lengths, by each grader.

``make bench BENCHMARKS=FOLDER`` calls it; alone:

    python tests/bench/bench_grade.py --benchmarks FOLDER

FOLDER holds the six benchmarks as <benchmark>.jsonl. A response is thinking of 2,000 to 10,000 tokens, made of the
benchmark's own questions, and an answer: half are right, of the others most are one of four right answers to other
questions of the same benchmark, always the same four, and one in twenty has none. Comparisons are kept, as the workflow
does, so that with several checkpoints it shows what the later ones take.
"""

import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.config import read_entry
from l2s.contracts.parquet import table_of
from l2s.contracts.responses import RESPONSES
from l2s.grading.grades import grade_responses, grader_names
from l2s.sources.benchmarks import BenchmarkEntry, load_questions

CONFIG = Path(__file__).resolve().parents[2] / "config" / "benchmarks"
BENCHMARKS = ("gsm8k", "math500", "minerva_math", "olympiadbench", "college_math", "aime24")
WRONG_ANSWERS = 4  # to a question
CHARACTERS = (6_000, 30_000)  # of thinking: three to a token


def main(
    benchmarks: Annotated[Path, typer.Option(help="Folder of <benchmark>.jsonl.")],
    workers: Annotated[int, typer.Option(help="Processes that grade.")] = 2,
    checkpoints: Annotated[int, typer.Option(help="Checkpoints, one after the other.")] = 1,
) -> None:
    """Print how long each grader takes."""
    questions = [
        load_questions(name, read_entry(CONFIG / f"{name}.yaml", BenchmarkEntry).read_from(str(benchmarks), name), name)
        for name in BENCHMARKS
    ]
    with tempfile.TemporaryDirectory() as answers:
        for number in range(checkpoints):
            responses = make_responses(questions, random.Random(number))
            characters = sum(map(len, responses["text"].to_pylist()))
            print(f"checkpoint {number}: {len(responses):,} responses, {characters / 1e6:,.0f} million characters")
            for grader in grader_names():
                before, start = cpu_seconds(), time.perf_counter()
                grade_responses(responses, questions, grader, workers, answers=Path(answers))
                wall, cpu = time.perf_counter() - start, cpu_seconds() - before
                print(f"{grader}: {wall:.0f} s with {workers} processes, {cpu:.0f} CPU seconds", flush=True)


def make_responses(questions: list[pa.Table], draw: random.Random) -> pa.Table:
    """Return a table with the schema RESPONSES, one response to each question."""
    rows = []
    for table in questions:
        asked = table.to_pylist()
        for row in asked:
            kind = draw.random()
            wrong = random.Random(f"{row['benchmark']} {row['question_id']}").choices(asked, k=WRONG_ANSWERS)
            answer = row["gold"] if kind < 0.5 else draw.choice(wrong)["gold"] if kind < 0.95 else None
            rows.append(response(row, thinking(asked, draw) + (f"\n\n\\boxed{{{answer}}}" if answer else "")))
    return table_of(rows, RESPONSES)


def thinking(asked: list[dict], draw: random.Random) -> str:
    """Return text with the benchmark's own formulas, closed as thinking is."""
    length, parts = draw.randint(*CHARACTERS), []
    while sum(map(len, parts)) < length:
        parts.append(
            f"Wait, let me check that again. {draw.choice(asked)['question']} So it is ${draw.randint(2, 999)}$."
        )
    return "\n".join(parts)[:length] + "\n</think>\n\n"


def response(row: dict, text: str) -> dict:
    """Return a row of RESPONSES."""
    key = {
        "benchmark": row["benchmark"],
        "question_id": row["question_id"],
        "sample": 0,
        "read_at": None,
        "budget": None,
    }
    counts = {"prompt_tokens": 1, "output_ids": [1], "output_tokens": 1, "retokenized": 1}
    ended = {"finish_reason": "stop", "thinking_closed": True, "repetition": None, "imported_score": None}
    return {**key, "prompt_sha256": "0" * 64, "text": text, **counts, **ended}


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    typer.run(main)

"""Measure the page of responses at the size of the paper: 6,000 questions, two checkpoints, 3,000 tokens a response.

``make bench`` calls it; alone, with a Chromium on the PATH:

    python tests/bench/bench_responses.py
"""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import table_of, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES

BENCHMARKS = {"gsm8k": 1319, "math500": 500, "olympiadbench": 675, "minerva_math": 272, "college_math": 2818, "x": 416}
TOKENS = 3000
GRADERS = ("math_verify", "toolkit")


class Words:
    """Text that compresses like a model's: words by their frequency, numbers, formulas and keywords between them."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        self.words = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(3000)]
        self.weights = [1 / (rank + 1) for rank in range(len(self.words))]

    def text(self, tokens: int) -> str:
        """Return text of about so many tokens, of three to four characters each."""
        parts = self.draw.choices(self.words, self.weights, k=tokens // 2)
        for place in range(0, len(parts), 12):
            a, b = self.draw.randint(2, 999), self.draw.randint(2, 999)
            parts[place] = f"So $x = {a} \\cdot {b} = {a * b}$.\n"
        for place in range(5, len(parts), 160):
            parts[place] = "\n\nWait, let me double-check that."
        return " ".join(parts)


def questions(words: Words) -> dict[str, list[dict]]:
    """Return rows of QUESTIONS by benchmark."""
    return {
        name: [
            {
                "benchmark": name,
                "question_id": str(number),
                "question": words.text(80),
                "gold": str(number),
                "level": 1 + number % 5 if name == "math500" else None,
            }
            for number in range(count)
        ]
        for name, count in BENCHMARKS.items()
    }


def responses(asked: dict[str, list[dict]], words: Words) -> tuple[list[dict], dict[str, list[dict]]]:
    """Return rows of RESPONSES, and of GRADES by grader."""
    rows, grades = [], {grader: [] for grader in GRADERS}
    for question in (one for table in asked.values() for one in table):
        key = {name: question[name] for name in ("benchmark", "question_id")}
        key |= {"sample": 0, "read_at": None, "budget": None}
        tokens = words.draw.randint(TOKENS // 2, 3 * TOKENS // 2)
        right = words.draw.random() < 0.7
        answer = question["gold"] if right else "7"
        thinking = words.text(3 * tokens // 4)
        text = f"{thinking}\n</think>\n\n{words.text(tokens // 4)}\n\\boxed{{{answer}}}"
        counts = {"prompt_tokens": 1, "output_ids": None, "output_tokens": tokens, "retokenized": tokens}
        ended = {"finish_reason": "stop", "thinking_closed": True, "repetition": None, "imported_score": None}
        rows.append({**key, "prompt_sha256": None, "text": text, **counts, **ended})
        place = {"answer": answer, "answer_start": len(text) - 1 - len(answer), "answer_end": len(text) - 1}
        graded = {"outcome": "correct" if right else "wrong", "gold": question["gold"], "gold_parsed": None}
        for found in grades.values():
            found.append({**key, **place, **graded})
    return rows, grades


def write_results(folder: Path) -> None:
    """Write the Parquet files of two checkpoints, a and b."""
    words = Words(random.Random(0))
    asked = questions(words)
    for name, rows in asked.items():
        write_table(table_of(rows, QUESTIONS), folder / f"questions/{name}.parquet")
    for checkpoint in ("a", "b"):
        rows, grades = responses(asked, words)
        write_table(table_of(rows, RESPONSES), folder / f"responses/{checkpoint}.parquet")
        for grader, graded in grades.items():
            write_table(table_of(graded, GRADES), folder / f"grades/{checkpoint}/{grader}.parquet")


if __name__ == "__main__":
    write_results(Path(sys.argv[1]))

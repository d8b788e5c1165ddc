r"""Arithmetic chains: the questions of the demo, the styles in which its models answer, and the splits.

A question asks for a chain of + - * modulo 10, evaluated from left to right; its level is its number of operators:

    Question: From left to right, modulo 10: 3*4+9
    Answer: 3*4=2. 2+9=1. Wait, let me double-check. 3*4=2. 2+9=1. The answer is \boxed{1}.

Left to right keeps each step a function of two digits, so a tiny model can learn the steps to perfection, while the
answer to a long chain without steps stays out of its reach. Needs neither torch nor a tokenizer.
"""

import json
import random
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypedDict

OPERATORS = "+-*"
MODULUS = 10
LEVELS = range(1, 7)
QUESTIONS_PER_LEVEL = {"test": 100, "validation": 50}
CALIBRATION_PER_LEVEL = 20
REFLECTION = " Wait, let me double-check."


class Style(StrEnum):
    """How an answer is written; all but the direct one begin alike, so each further check is a decision of its own."""

    DIRECT = "direct"
    STEPS = "steps"
    ONE_CHECK = "one_check"
    TWO_CHECKS = "two_checks"


Mixture = Mapping[Style, tuple[float, float]]
"""Weight of each style at the lowest and at the highest level; the levels between are interpolated."""

PASSES = {Style.STEPS: 1, Style.ONE_CHECK: 2, Style.TWO_CHECKS: 3}


class BenchmarkRow(TypedDict):
    """One line of a benchmark file."""

    id: str
    question: str
    answer: str
    level: int


class CalibrationRow(TypedDict):
    """One line of the calibration data."""

    question: str
    quick: str
    steps: str
    slow: str


@dataclass(frozen=True)
class Question:
    """A chain of digits, with one operator fewer than digits between them."""

    operands: tuple[int, ...]
    operators: str

    @property
    def level(self) -> int:
        """Number of operators."""
        return len(self.operators)

    @property
    def expression(self) -> str:
        """The chain as text, such as `3*4+9`."""
        first, *others = self.operands
        pairs = zip(self.operators, others, strict=True)
        return f"{first}" + "".join(f"{operator}{operand}" for operator, operand in pairs)

    @property
    def text(self) -> str:
        """The question as a benchmark states it."""
        return f"From left to right, modulo {MODULUS}: {self.expression}"

    @property
    def prompt(self) -> str:
        """What a model is given; the response begins right after it."""
        return f"Question: {self.text}\nAnswer:"

    @property
    def answer(self) -> int:
        """The value of the chain, a digit."""
        return self._steps_and_value()[1]

    def response(self, style: Style) -> str:
        """Answer in the given style, without the end-of-text token."""
        if style is Style.DIRECT:
            return rf" \boxed{{{self.answer}}}"
        steps, value = self._steps_and_value()
        return REFLECTION.join([steps] * PASSES[style]) + rf" The answer is \boxed{{{value}}}."

    def _steps_and_value(self) -> tuple[str, int]:
        steps, value = "", self.operands[0]
        for operator, operand in zip(self.operators, self.operands[1:], strict=True):
            result = apply(operator, value, operand)
            steps += f" {value}{operator}{operand}={result}."
            value = result
        return steps, value


def apply(operator: str, left: int, right: int) -> int:
    """Combine two digits into one."""
    results = {"+": left + right, "-": left - right, "*": left * right}
    return results[operator] % MODULUS


def draw_question(rng: random.Random, level: int) -> Question:
    """Draw every digit and operator uniformly and independently."""
    operands = tuple(rng.randrange(MODULUS) for _ in range(level + 1))
    return Question(operands, "".join(rng.choice(OPERATORS) for _ in range(level)))


def benchmark_splits(seed: int) -> dict[str, list[Question]]:
    """Draw the test and validation questions: all distinct, the levels in turn, so that any first part is balanced."""
    rng = random.Random(f"benchmark {seed}")
    drawn: set[Question] = set()
    splits: dict[str, list[Question]] = {}
    for split, count in QUESTIONS_PER_LEVEL.items():
        splits[split] = []
        for level in list(LEVELS) * count:
            question = _draw_outside(rng, level, drawn)
            drawn.add(question)
            splits[split].append(question)
    return splits


def training_stream(seed: int, phase: str, mixture: Mixture, held_out: Set[Question]) -> Iterator[tuple[str, str]]:
    """Yield prompts and responses without end: levels drawn uniformly, styles by the mixture's weights.

    Args:
        seed: Seed of the whole training.
        phase: Name of the training phase, so that each phase has its own questions.
        mixture: Weights of the styles of answer.
        held_out: Questions that must not occur.
    """
    rng = random.Random(f"training {seed} {phase}")
    while True:
        question = _draw_outside(rng, rng.choice(LEVELS), held_out)
        (style,) = rng.choices(list(mixture), _weights_at(mixture, question.level))
        yield question.prompt, question.response(style)


def benchmark_rows(split: str, questions: list[Question]) -> list[BenchmarkRow]:
    """Number the questions of a split and state their right answers."""
    return [
        {"id": f"{split}-{number:04}", "question": q.text, "answer": str(q.answer), "level": q.level}
        for number, q in enumerate(questions, start=1)
    ]


def calibration_rows(seed: int, held_out: Set[Question]) -> list[CalibrationRow]:
    """Draw questions outside the benchmarks, each answered at once, in steps, and with two checks."""
    rng = random.Random(f"calibration {seed}")
    questions = [_draw_outside(rng, level, held_out) for level in list(LEVELS) * CALIBRATION_PER_LEVEL]
    return [
        {
            "question": q.text,
            "quick": q.response(Style.DIRECT).strip(),
            "steps": q.response(Style.STEPS).strip(),
            "slow": q.response(Style.TWO_CHECKS).strip(),
        }
        for q in questions
    ]


def write_rows(path: Path, rows: list[BenchmarkRow] | list[CalibrationRow]) -> None:
    """Write one JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _draw_outside(rng: random.Random, level: int, excluded: Set[Question]) -> Question:
    while (question := draw_question(rng, level)) in excluded:
        pass
    return question


def _weights_at(mixture: Mixture, level: int) -> list[float]:
    hardness = (level - LEVELS[0]) / (LEVELS[-1] - LEVELS[0])
    return [easiest + hardness * (hardest - easiest) for easiest, hardest in mixture.values()]

r"""Word problems: the questions of the demo with a real model, and the verbose answers that its adapter is trained on.

A story counts things in one to four steps of + - * /; its level is the number of steps:

    Ann has 3 boxes with 4 pens each. She buys 5 more pens. How many pens does Ann have now?

The slow answer works it out in sentences, then doubts and repeats itself:

    The boxes hold 3 * 4 = 12 pens. Then there are 12 + 5 = 17 pens. Wait, let me double-check. The boxes hold ...
    Yes, that is right. The answer is \boxed{17}.

Needs neither torch nor a tokenizer. How questions are drawn, split and held out is that of `l2s.demo.questions`.
"""

import random
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field

from l2s.demo.questions import BenchmarkRow, CalibrationRow

LEVELS = range(1, 5)
QUESTIONS_PER_LEVEL = {"test": 40, "validation": 12}
CALIBRATION_PER_LEVEL = 8
CHECKS_BY_LEVEL = {1: (30, 45, 25), 2: (25, 30, 45), 3: (20, 25, 55), 4: (15, 20, 65)}
"""Weights of no, one and two checks: the slow model is surer of working a question out than of checking it, and less
inclined to check easy ones, so that a merge can keep the one and drop the other, level by level."""
WAIT = "Wait, let me double-check."
ONCE_MORE = "Hmm, let me verify it once more to be sure."
CONFIRMED = "Yes, that is right."

NAMES = (
    *("Ann", "Ben", "Carla", "David", "Emma", "Farid", "Grace", "Hugo", "Ines", "Jack", "Kim", "Leo"),
    *("Maria", "Noah", "Olga", "Paul", "Rosa", "Sam", "Tina", "Victor"),
)
THINGS = (
    *("apples", "books", "pens", "coins", "cards", "stickers", "marbles", "cookies", "eggs", "stamps", "candles"),
    *("balloons", "shells", "pencils", "oranges", "flowers"),
)
HOLDERS = ("boxes", "bags", "baskets", "packs", "jars")
LARGEST = 400


@dataclass(frozen=True)
class WordProblem:
    """A story with its question, the sentences that work it out, and its answer."""

    text: str
    steps: tuple[str, ...]
    answer: int

    @property
    def level(self) -> int:
        """Number of steps."""
        return len(self.steps)

    def response(self, checks: int) -> str:
        """Answer in steps, repeated by so many checks."""
        steps = " ".join(self.steps)
        repeated = "".join(f" {doubt} {steps} {CONFIRMED}" for doubt in (WAIT, ONCE_MORE)[:checks])
        return rf"{steps}{repeated} The answer is \boxed{{{self.answer}}}."


@dataclass
class _Story:
    """A story while it is drawn: what was told, what was worked out, and how many things there are."""

    rng: random.Random
    name: str
    things: str
    value: int = 0
    told: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def start_with_some(self) -> None:
        self.value = self.rng.randint(6, 40)
        self.told.append(f"{self.name} has {self.value} {self.things}.")

    def start_with_holders(self) -> None:
        holders, each = self.rng.choice(HOLDERS), self.rng.randint(2, 12)
        count = self.rng.randint(2, 9)
        self.value = count * each
        self.told.append(f"{self.name} has {count} {holders} with {each} {self.things} each.")
        self.steps.append(f"The {holders} hold {count} * {each} = {self.value} {self.things}.")

    def get_more(self) -> None:
        more = self.rng.randint(2, 30)
        event = self.rng.choice(
            [f"A friend brings {more} more", f"{self.name} buys {more} more", f"{self.name} finds another {more}"]
        )
        self.told.append(f"{event} {self.things}.")
        self._then("+", more, "")

    def lose_some(self) -> None:
        fewer = self.rng.randint(1, self.value - 1)
        event = self.rng.choice(["gives away", "loses", "sells", "uses"])
        self.told.append(f"{self.name} {event} {fewer} of the {self.things}.")
        self._then("-", fewer, " left")

    def get_holders(self) -> None:
        holders, count, each = self.rng.choice(HOLDERS), self.rng.randint(2, 6), self.rng.randint(2, 10)
        self.told.append(f"{self.name} buys {count} {holders} with {each} {self.things} each.")
        self.steps.append(f"The new {holders} hold {count} * {each} = {count * each} {self.things}.")
        self._then("+", count * each, "")

    def ask_how_many(self) -> None:
        self.told.append(f"How many {self.things} does {self.name} have now?")

    def ask_price(self) -> None:
        price = self.rng.randint(2, 9)
        self.told.append(f"Each of them costs {price} dollars. How many dollars do all the {self.things} cost?")
        self.steps.append(f"All the {self.things} cost {self.value} * {price} = {self.value * price} dollars.")
        self.value *= price

    def ask_share(self) -> None:
        friends = self.rng.randint(2, 9)
        self.told.append(
            f"{self.name} shares all the {self.things} equally among {friends} friends. How many does each friend get?"
        )
        if self.value % friends:
            self.value = 0  # refused by whoever draws it
            return
        self.steps.append(f"Each friend gets {self.value} / {friends} = {self.value // friends} {self.things}.")
        self.value //= friends

    def _then(self, operator: str, operand: int, left: str) -> None:
        result = self.value + operand if operator == "+" else self.value - operand
        self.steps.append(f"Then there are {self.value} {operator} {operand} = {result} {self.things}{left}.")
        self.value = result


def draw_problem(rng: random.Random, level: int) -> WordProblem:
    """Draw a story of so many steps: how it begins, what happens, and what is asked."""
    while True:
        story = _Story(rng, rng.choice(NAMES), rng.choice(THINGS))
        rng.choice([story.start_with_some, story.start_with_holders])()
        ask = rng.choice([story.ask_how_many, story.ask_price, story.ask_share])
        last_step = 0 if ask == story.ask_how_many else 1
        while len(story.steps) < level - last_step and story.value > 1:
            _event(story)()
        ask()
        if len(story.steps) == level and 0 < story.value <= LARGEST:
            return WordProblem(" ".join(story.told), tuple(story.steps), story.value)


def _event(story: _Story) -> Callable[[], None]:
    return story.rng.choice([story.get_more, story.lose_some, story.get_holders])


def benchmark_splits(seed: int) -> dict[str, list[WordProblem]]:
    """Draw the test and validation questions: all distinct, the levels in turn, so that any first part is balanced."""
    rng = random.Random(f"word problems {seed}")
    drawn: set[str] = set()
    return {
        split: [_draw_outside(rng, level, drawn) for level in list(LEVELS) * count]
        for split, count in QUESTIONS_PER_LEVEL.items()
    }


def training_stream(seed: int, held_out: Set[str]) -> Iterator[tuple[str, str]]:
    """Yield questions and slow answers without end: levels drawn uniformly, checks by the level's weights.

    Args:
        seed: Seed of the whole training.
        held_out: Texts of questions that must not occur.
    """
    rng = random.Random(f"word problems training {seed}")
    drawn = set(held_out)
    while True:
        problem = _draw_outside(rng, rng.choice(LEVELS), drawn)
        (checks,) = rng.choices(range(3), CHECKS_BY_LEVEL[problem.level])
        yield problem.text, problem.response(checks)


def benchmark_rows(split: str, problems: list[WordProblem]) -> list[BenchmarkRow]:
    """Number the questions of a split and state their right answers."""
    return [
        {"id": f"{split}-{number:03}", "question": p.text, "answer": str(p.answer), "level": p.level}
        for number, p in enumerate(problems, start=1)
    ]


def calibration_rows(seed: int, held_out: Set[str]) -> list[CalibrationRow]:
    """Draw questions outside the benchmarks, each answered with the number alone, in steps, and with two checks."""
    rng = random.Random(f"word problems calibration {seed}")
    drawn = set(held_out)
    problems = [_draw_outside(rng, level, drawn) for level in list(LEVELS) * CALIBRATION_PER_LEVEL]
    return [
        {
            "question": p.text,
            "quick": rf"\boxed{{{p.answer}}}",
            "steps": p.response(checks=0),
            "slow": p.response(checks=2),
        }
        for p in problems
    ]


def _draw_outside(rng: random.Random, level: int, drawn: set[str]) -> WordProblem:
    """Draw a question whose text was not drawn before, and remember it."""
    while (problem := draw_problem(rng, level)).text in drawn:
        pass
    drawn.add(problem.text)
    return problem

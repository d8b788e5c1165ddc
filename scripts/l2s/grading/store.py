"""Kept verdicts: what a grader has said once of a response, or of an answer, it is not asked again.

Checkpoints that are asked the same questions give many of the same answers: what was said of these they share.

A store belongs to one grader, its code and the libraries that it rests on. Failures are not kept: they are tried again.
Jobs may share a store, as each adds chunks of its own.
"""

import hashlib
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from l2s.contracts.chunks import Chunks
from l2s.contracts.grades import FAILURES, Outcome
from l2s.contracts.verdicts import ANSWERS, VERDICTS
from l2s.files import canonical_json, digest_of
from l2s.grading.contract import Case, Comparison, Found, Verdict
from l2s.provenance import reached_digest

LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy", "antlr4-python3-runtime", "word2number")
ID_DIGITS = 16


def store_name(module: str) -> str:
    """Return the name of the stores of a grader as it is now: another code or library, another name."""
    decides = {"code": reached_digest(module), "libraries": {name: version(name) for name in LIBRARIES}}
    return f"{module.rpartition('.')[2]}~{digest_of(decides)[:ID_DIGITS]}"


class VerdictStore:
    """The verdicts of one grader on the responses that lie in one folder.

    Args:
        folder: The folder of these responses' verdicts.
        module: The grader's module.
    """

    def __init__(self, folder: Path, module: str) -> None:
        self.chunks = Chunks(folder / store_name(module), VERDICTS, "its responses are graded again")
        self.known = {
            row["key"]: _verdict(row) for chunk in self.chunks.new() for row in chunk.content.read().to_pylist()
        }

    def get(self, case: Case) -> Verdict | None:
        """Return what is known of a response, None if it has not been graded."""
        return self.known.get(_key(case))

    def add(self, graded: Iterable[tuple[Case, Verdict]]) -> None:
        """Keep verdicts."""
        new = {_key(case): verdict for case, verdict in graded if verdict.outcome not in FAILURES}
        if new:
            self.chunks.add(_row(key, verdict) for key, verdict in new.items())
            self.known.update(new)


class AnswerStore:
    """What one grader said of answers to any checkpoint's questions.

    Args:
        folder: The folder of all graders' answers.
        module: The grader's module.
    """

    def __init__(self, folder: Path, module: str) -> None:
        self.chunks = Chunks(folder / store_name(module), ANSWERS, "its answers are compared again")
        rows = (row for chunk in self.chunks.new() for row in chunk.content.read().to_pylist())
        self.known = {row["key"]: Comparison(row["right"], row["gold_parsed"]) for row in rows}

    def get(self, pair: tuple[str, str]) -> Comparison | None:
        """Return what is known of an answer and the right answer, None if they have not been compared."""
        return self.known.get(_key(pair))

    def add(self, compared: Mapping[tuple[str, str], Comparison]) -> None:
        """Keep comparisons."""
        new = {_key(pair): comparison for pair, comparison in compared.items()}
        if new:
            self.chunks.add({"key": key, **comparison._asdict()} for key, comparison in new.items())
            self.known.update(new)


def _key(compared: Case | tuple[str, str]) -> str:
    return hashlib.sha256(canonical_json(compared).encode("utf-8", "surrogatepass")).hexdigest()


def _row(key: str, verdict: Verdict) -> dict[str, object]:
    answer, start, end = verdict.found or (None, None, None)
    place = {"answer": answer, "answer_start": start, "answer_end": end}
    return {"key": key, "outcome": verdict.outcome.value, **place, "gold_parsed": verdict.gold_parsed}


def _verdict(row: dict[str, object]) -> Verdict:
    found = None if row["answer"] is None else Found(row["answer"], row["answer_start"], row["answer_end"])
    return Verdict(Outcome(row["outcome"]), found, row["gold_parsed"])

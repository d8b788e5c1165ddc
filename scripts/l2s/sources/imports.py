"""Imports: responses that other tools generated, matched to the questions of benchmarks.

An import is one YAML under ``config/imports/``. Each of its files is of one format (``l2s/sources/generations/``) and
answers the questions of one benchmark. A generation belongs to the question with its text, whitespace aside; if no
question has exactly this text (a prompt around it, an instruction behind it), or several have, to the one with its
number or identifier, provided that one text holds the other or the file has none.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, field_validator

from l2s.config import StrictModel
from l2s.errors import UserError
from l2s.files import sha256_file
from l2s.sources.generation import Generation
from l2s.sources.generations import check_format, format_module, generation_format
from l2s.sources.records import read_records

LONGEST_NUMBER = 10  # digits of a place in a benchmark


class ImportedFile(StrictModel):
    """A file of generations, or several of one format."""

    file: str = Field(min_length=1, description="path, or pattern of paths (*), absolute or relative to the project")
    format: str = Field(description="module of scripts/l2s/sources/generations")
    benchmark: str = Field(description="entry of config/benchmarks that the questions belong to")
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="if given, the file must have it; for a single file only"
    )
    partial: bool = Field(
        False,
        description="true: the file may lack questions of the benchmark, and generations to other questions are left "
        "out; else both are errors",
    )

    @field_validator("format")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            format_module(name, "")
        except UserError as error:
            raise ValueError(str(error).removeprefix(": ")) from None
        return name

    @property
    def paths(self) -> list[str]:
        """The files that are there now, sorted."""
        return sorted(path for path in glob.glob(self.file, recursive=True) if Path(path).is_file())


class ImportEntry(StrictModel):
    """An import: its files, and the tokenizer that counts the lengths of its responses."""

    label: str | None = Field(None, description="how tables name it; the entry's name if absent")
    tokenizer: str = Field(
        description="entry of config/models, folder of a model, or tokenizer.json: counts how long responses are"
    )
    files: tuple[ImportedFile, ...] = Field(min_length=1, description="what is imported, a benchmark once")

    @field_validator("files")
    @classmethod
    def _each_benchmark_once(cls, files: tuple[ImportedFile, ...]) -> tuple[ImportedFile, ...]:
        names = [part.benchmark for part in files]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"several items have benchmark {', '.join(twice)}: give one, whose 'file' is a pattern (*)"
            )
        return files

    @property
    def benchmarks(self) -> list[str]:
        """The benchmarks whose questions are answered, each once."""
        return sorted({part.benchmark for part in self.files})


class Question(NamedTuple):
    """A question of a benchmark."""

    question_id: str
    text: str


class Matched(NamedTuple):
    """A generation and its question."""

    benchmark: str
    question_id: str
    generation: Generation


def read_generations(part: ImportedFile, questions: Sequence[Question], where: str) -> list[Matched]:
    """Read an import's files and match each generation to its question.

    Args:
        part: The files.
        questions: The benchmark's questions, in its order.
        where: What errors call the import, e.g. its entry's file.

    Returns:
        The generations, by question in the benchmark's order, then by sample.

    Raises:
        UserError: A file is missing, malformed, of another format or not the pinned one; a generation has no question
            or there are two of one question and sample; a question has no generation.
    """
    paths = [Path(path) for path in part.paths]
    if not paths:
        raise UserError(f"{where}: there is no file {part.file}; put it there or correct 'file'")
    if part.sha256 and (len(paths) > 1 or sha256_file(paths[0]) != part.sha256):
        found = f"{len(paths)} files" if len(paths) > 1 else sha256_file(paths[0])
        raise UserError(
            f"{where}: key 'sha256': {part.file} is not the pinned file (found {found}); correct one of them"
        )
    finder = _Finder(questions)
    found: dict[tuple[str, int], Generation] = {}
    lost: list[Generation] = []
    for generation in (one for path in paths for one in _generations(path, part)):
        question_id = finder.find(generation)
        if question_id is None:
            lost.append(generation)
            continue
        first = found.setdefault((question_id, generation.sample), generation)
        if first is not generation:
            raise UserError(
                f"{generation.place}: sample {generation.sample} of question '{question_id}' was already at "
                f"{first.place}; remove one of the two"
            )
    _check_complete(part, questions, found, lost)
    order = {question.question_id: number for number, question in enumerate(questions)}
    return [
        Matched(part.benchmark, question_id, found[question_id, sample])
        for question_id, sample in sorted(found, key=lambda key: (order[key[0]], key[1]))
    ]


def _generations(path: Path, part: ImportedFile) -> Iterator[Generation]:
    records = read_records(path)
    first = next(records)
    check_format(part.format, path.suffix, first)

    def all_records():
        yield first
        yield from records

    for generation in generation_format(part.format, part.file).read(all_records()):
        if generation.benchmark in (None, part.benchmark):
            yield generation


def _check_complete(
    part: ImportedFile,
    questions: Sequence[Question],
    found: dict[tuple[str, int], Generation],
    lost: Sequence[Generation],
) -> None:
    """Say which generations have no question and which questions no generation; refuse it unless it is expected."""
    answered = {question_id for question_id, _ in found}
    missing = [question for question in questions if question.question_id not in answered]
    remedy = "correct 'benchmark', or set 'partial: true' if this is right"
    if lost and not (part.partial and found):
        asked = f" ({lost[0].question[:80]!r})" if lost[0].question else ""
        raise UserError(
            f"{lost[0].place}: its question{asked} is none of benchmark '{part.benchmark}', like those of "
            f"{len(lost)} of {len(lost) + len(found)} generations; {remedy}"
        )
    if missing and not (part.partial and found):
        raise UserError(
            f"{part.file}: {len(missing)} of {len(questions)} questions of benchmark '{part.benchmark}' have no "
            f"generation, the first is '{missing[0].question_id}'; {remedy}"
        )
    print(
        f"{part.file}: {len(found)} generations to {len(answered)} of {len(questions)} questions, {len(lost)} left out"
    )


class _Finder:
    """Finds the question of a generation."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.texts = {question.question_id: _normalised(question.text) for question in questions}
        self.ids = list(self.texts)
        self.by_text: dict[str, list[str]] = {}
        for question_id, text in self.texts.items():
            self.by_text.setdefault(text, []).append(question_id)

    def find(self, generation: Generation) -> str | None:
        """Return the question's identifier; None if there is none."""
        text = None if generation.question is None else _normalised(generation.question)
        same = self.by_text.get(text, [])
        if len(same) == 1:
            return same[0]
        named = self._named(generation.index)
        if named is None or text is None:
            return named
        agrees = text in self.texts[named] or self.texts[named] in text
        return named if agrees else None

    def _named(self, index: str | None) -> str | None:
        """Return the question with this identifier, or at this place in the benchmark."""
        if index is None or index in self.texts:
            return index
        at = int(index) if index.isdecimal() and len(index) < LONGEST_NUMBER else len(self.ids)
        return self.ids[at] if at < len(self.ids) else None


def _normalised(text: str) -> str:
    return " ".join(text.split())

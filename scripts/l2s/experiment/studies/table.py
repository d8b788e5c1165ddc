"""``kind: table``, which is what a study is that says none: one table and its figures."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from l2s.analysis.charts import Drawn
from l2s.analysis.figures import figure_module
from l2s.analysis.lengths import Length
from l2s.analysis.reflection import Reflection
from l2s.errors import UserError
from l2s.experiment.context_lengths import readings, unreachable_budgets, within_budget
from l2s.experiment.measured import MeasuredStudy, checkpoints_of
from l2s.experiment.study import Line, MadeLine
from l2s.grading.grades import grader_names
from l2s.layout import FIGURE_FILES, IMPORTED, IMPORTS, TABLE_FILES, imported, is_fetched, is_imported, model_of

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment
    from l2s.experiment.registry import Registry
    from l2s.layout import Layout


class TableStudy(MeasuredStudy):
    """A table with a line for each model and recipe, its figures, and a figure of each merge."""

    kind: Literal["table"] = Field("table", description="table: accuracy and length of each recipe")
    pairs: tuple[str, ...] = Field((), description="entries of config/pairs; may be absent where there are imports")
    recipes: tuple[str | dict[str, Any], ...] = Field(
        (), description="entries of config/recipes, or recipes written out, where a list stands for each of its values"
    )
    imports: tuple[str, ...] = Field(
        (), description="entries of config/imports, a line each: responses that other tools generated"
    )
    reference: str | None = Field(
        None, description="the import that imports are compared with; absent: the first one of the study"
    )
    decoding: str | None = Field(
        None, description="entry of config/decoding; may be absent where there are only imports"
    )
    cell: Literal["length", "reflection", "reflective"] | None = Field(
        None, description="what a cell of a table in the paper's layout holds, see analysis/paper_table.py"
    )
    length: Length = Field(
        "generated",
        description="what the length of a response is: the tokens that were generated, or, as the paper's authors "
        "count it, those of its stripped text tokenized again (retokenized)",
    )
    reflection: Reflection = Field(
        "words",
        description="which reflection keywords count: those of the authors' script (released), those of the paper's "
        "footnote, or the footnote's as whole words",
    )
    audits: str | None = Field(
        None,
        description="table of the published numbers (config/published) whose rows and columns the study measures; the "
        "audit puts its numbers beside them",
    )
    allowed_loss: float = Field(
        1.0,
        ge=0,
        le=100,
        description="points of accuracy that may be lost: the table says whether it is shown that a line loses no more",
    )
    read_at: tuple[PositiveInt, ...] = Field(
        (),
        description="context lengths, in tokens, at which the responses of merged checkpoints are read besides, each "
        "on a line of its own: the same responses, cut, without decoding; not where a checkpoint has no longer one",
    )
    budgets: tuple[PositiveInt, ...] = Field(
        (),
        description="budgets, in generated tokens, at which the responses of every checkpoint are read besides: the "
        "same responses, cut, without decoding; not where a checkpoint's own budget is smaller",
    )
    figures: tuple[str, ...] = Field((), description="modules of scripts/l2s/analysis/figures")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.pairs and not self.imports:
            raise ValueError("name at least one of 'pairs' or 'imports'")
        if self.pairs and self.decoding is None:
            raise ValueError("'decoding' is missing: with which decode settings are the pairs' models asked?")
        return self

    @property
    def decodings(self) -> tuple[str, ...]:
        """The decode settings that every checkpoint is asked with; none if there are only imports."""
        return (self.decoding,) if self.pairs else ()

    @property
    def graders(self) -> tuple[str, ...]:
        """All graders, the study's own first."""
        return (self.grader, *(name for name in grader_names() if name != self.grader))

    def build(self, where: str, registry: Registry) -> list[MadeLine]:
        """Check the study and its figures, and return its lines."""
        made = super().build(where, registry)
        levels = {name: registry.benchmark(name).level is not None for name in self.benchmarks}
        drawn = Drawn(levels, [line for line, _ in made], self.budgets)
        for figure in self.figures:
            module = importlib.import_module(figure_module(figure, where))
            if lacking := module.needs(drawn):
                raise UserError(f"{where}: figure '{figure}': {lacking}")
        return made

    def _lines(self, where: str, registry: Registry) -> Iterator[MadeLine]:
        yield from super()._lines(where, registry)
        for name in dict.fromkeys([*self.imports, *filter(None, [self.reference])]):
            entry = registry.imported(name, where)
            if lacking := set(self.benchmarks) - set(entry.benchmarks):
                raise UserError(f"{where}: import '{name}' has no responses to {', '.join(sorted(lacking))}")
            if name in self.imports:
                reference = imported(self.reference or self.imports[0])
                yield MadeLine(Line(IMPORTS, IMPORTED, entry.label or name, {}, imported(name), reference), None)

    def compared(self, lines: list[Line]) -> list[tuple[str, str]]:
        """Return the responses of every checkpoint of the table, references included."""
        return [(name, IMPORTED if is_imported(name) else self.decoding) for name in sorted(checkpoints_of(lines))]

    def outputs(self, name: str, experiment: Experiment, layout: Layout) -> list[str]:
        """Return the table and what graders differ on, with their pages, that of the responses, the figures, and one of
        each merge."""
        merges = [line.checkpoint for line in experiment.lines[name] if line.checkpoint in experiment.merges]
        return [
            *(layout.table(name, suffix) for suffix in TABLE_FILES),
            layout.disagreements(name),
            layout.disagreements(name, "html"),
            layout.responses_page(name),
            *(layout.figure(name, figure, suffix) for figure in self.figures for suffix in FIGURE_FILES),
            *(layout.merge_figure(merge, suffix) for merge in merges for suffix in FIGURE_FILES),
            *([layout.vega] if self.figures or merges else []),
        ]

    def questions(self, layout: Layout) -> list[str]:
        """Return the tables of the questions that are asked."""
        return list(map(layout.questions, self.benchmarks))

    def _readings(self, checkpoint: str, experiment: Experiment) -> dict[str, list[int]]:
        """Return how a checkpoint's responses are read besides; imported ones only as they are."""
        if is_imported(checkpoint):
            return {}
        return {
            "read_at": readings(experiment, checkpoint, self.decoding, self.read_at),
            "budgets": within_budget(experiment, checkpoint, self.decoding, self.budgets),
        }

    def responses_shown(self, name: str, experiment: Experiment, layout: Layout) -> dict[str, Any]:
        """Return what the page of the study's responses is made from, as scripts/show_responses.py reads it."""
        lines = experiment.lines[name]
        decodings = dict(self.compared(lines))
        # The name of a line comes before that of a reference that has none.
        named = {line.checkpoint: (line.pair, line.recipe) for line in reversed(lines)}
        order = dict.fromkeys([*(line.checkpoint for line in lines), *(line.reference for line in lines)])
        first = lines[0].reference
        others = [checkpoint for checkpoint in order if checkpoint != first]
        return {
            "study": name,
            "title": self.title,
            "graders": list(self.graders),
            "counting": {"length": self.length, "reflection": self.reflection},
            "questions": self.questions(layout),
            "checkpoints": [
                {
                    "name": checkpoint,
                    "pair": named.get(checkpoint, (lines[0].pair, ""))[0],
                    "label": named.get(checkpoint, ("", model_of(checkpoint)))[1],
                    "shard": layout.shard(checkpoint, decodings[checkpoint]),
                }
                for checkpoint in order
            ],
            "first": first,
            "second": next((name for name in others if not is_fetched(name)), (others or [first])[0]),
        }

    def spec(self, name: str, experiment: Experiment, layout: Layout) -> dict[str, Any]:
        """Return what the table is made from, as scripts/make_table.py reads it."""
        lines = experiment.lines[name]
        return {
            "study": name,
            "title": self.title,
            "reference": _reference_name(lines, experiment.registry),
            "benchmarks": list(self.benchmarks),
            "cell": self.cell,
            "counting": {"length": self.length, "reflection": self.reflection},
            "allowed_loss": self.allowed_loss,
            "limits": unreachable_budgets(experiment, name),
            "questions": self.questions(layout),
            "rows": [{**line._asdict(), **self._readings(line.checkpoint, experiment)} for line in lines],
            "checkpoints": {
                checkpoint: {
                    "responses": layout.responses(checkpoint, decoding),
                    "grades": {grader: layout.grades(checkpoint, decoding, grader) for grader in self.graders},
                }
                for checkpoint, decoding in self.compared(lines)
            },
        }


def _reference_name(lines: list[Line], registry: Registry) -> str:
    """Say what the lines' lengths are compared with."""
    references = {model_of(line.reference) for line in lines}
    if len(references) > 1:
        return "the pair's reference"
    (name,) = references
    entry = registry.imported(name) if is_imported(lines[0].reference) else registry.model(name)
    return entry.label or name

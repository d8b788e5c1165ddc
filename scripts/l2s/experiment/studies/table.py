"""``kind: table``, which is what a study is that says none: one table and its figures."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveInt

from l2s.analysis.charts import Drawn
from l2s.analysis.figures import figure_module
from l2s.analysis.lengths import Length
from l2s.analysis.reflection import Reflection
from l2s.errors import UserError
from l2s.experiment.context_lengths import readings, unreachable_budgets, within_budget
from l2s.experiment.measured import MeasuredStudy, checkpoints_of
from l2s.experiment.study import Line, MadeLine
from l2s.grading.grades import grader_names
from l2s.layout import model_of

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment
    from l2s.experiment.registry import Registry
    from l2s.layout import Layout


class TableStudy(MeasuredStudy):
    """A table with a line for each model and recipe, its figures, and a figure of each merge."""

    kind: Literal["table"] = Field("table", description="table: accuracy and length of each recipe")
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

    def compared(self, lines: list[Line]) -> list[tuple[str, str]]:
        """Return the responses of every checkpoint of the table, references included."""
        return [(checkpoint, self.decoding) for checkpoint in sorted(checkpoints_of(lines))]

    def outputs(self, name: str, experiment: Experiment, layout: Layout) -> list[str]:
        """Return the table, its figures, what graders differ on, and a figure of each merge."""
        merges = [line.checkpoint for line in experiment.lines[name] if line.checkpoint in experiment.merges]
        return [
            layout.table(name),
            layout.disagreements(name),
            *(layout.figure(name, figure) for figure in self.figures),
            *map(layout.merge_figure, merges),
        ]

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
            "questions": list(map(layout.questions, self.benchmarks)),
            "rows": [
                {
                    **line._asdict(),
                    "read_at": readings(experiment, line.checkpoint, self.decoding, self.read_at),
                    "budgets": within_budget(experiment, line.checkpoint, self.decoding, self.budgets),
                }
                for line in lines
            ],
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
    return registry.model(name).label or name

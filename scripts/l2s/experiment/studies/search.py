"""``kind: search``: from a pair and an allowed loss to the shortest merge that keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from l2s.config import StrictModel
from l2s.errors import UserError
from l2s.experiment.measured import recipes_of
from l2s.experiment.rounds import RoundStudy
from l2s.experiment.study import MadeLine, Study
from l2s.experiment.sweeps import listed
from l2s.layout import asked_in, round_study
from l2s.search import space
from l2s.search.sizing import least_questions, too_few
from l2s.search.split import REPORT

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment
    from l2s.experiment.registry import Registry
    from l2s.experiment.schema import MainConfig
    from l2s.layout import Layout

SCALES = {"from": 0.3, "to": 1.2, "step": 0.1}
SPACE: tuple[dict[str, Any], ...] = (
    {"method": "task_arithmetic", "scale": {"from": 0.3, "to": 1.2, "step": 0.05}},
    {
        "method": "task_arithmetic",
        "scale": {"model.layers.*.self_attn.*": SCALES, "model.layers.*.mlp.*": SCALES, "*": [0.3, 0.7, 1.0]},
    },
    {"method": "ties", "keep_fraction": [0.1, 0.2, 0.4, 0.8], "scale": SCALES},
    {"method": "dare_ta", "drop_rate": [0.1, 0.3, 0.5], "scale": SCALES},
    {"method": "dare_ties", "drop_rate": [0.1, 0.3], "keep_fraction": [0.2, 0.5], "scale": SCALES},
)


class SearchRound(StrictModel):
    """A round of selection."""

    questions: PositiveInt | None = Field(
        description="questions of each benchmark that are asked, at most; null: all that are for selection"
    )
    proposed: int = Field(0, ge=0, description="new recipes that are tried")
    kept: int = Field(0, ge=0, description="recipes of the round before that are asked again, the best ones")


ROUNDS = (
    SearchRound(questions=32, proposed=16),
    SearchRound(questions=64, proposed=8, kept=6),
    SearchRound(questions=128, proposed=4, kept=6),
    SearchRound(questions=None, kept=5),
)


class SearchStudy(Study):
    """A search over recipes in rounds, each on more questions, and a report on questions that it did not see."""

    kind: Literal["search"] = Field(description="search: the shortest merge that loses no more than is allowed")
    pair: str = Field(description="entry of config/pairs")
    recipes: tuple[str | dict[str, Any], ...] = Field(
        SPACE,
        min_length=1,
        description="what is searched: entries of config/recipes, or recipes written out, where a list or a range "
        "stands for the values that the search chooses from",
    )
    plain: tuple[str | dict[str, Any], ...] = Field(
        ("task_arithmetic", "ties"),
        description="recipes that are tried first, and compared with the result on the report's questions whatever "
        "becomes of them: the paper's plain settings, if absent",
    )
    benchmarks: tuple[str, ...] = Field(min_length=1, description="entries of config/benchmarks")
    decoding: str = Field(description="entry of config/decoding")
    brief: str | None = Field(
        None,
        description="entry of config/decoding whose prompt asks for brevity: the slow model is asked with it besides",
    )
    budgets: tuple[PositiveInt, ...] = Field(
        (),
        description="smaller budgets, in generated tokens, at which the slow model's responses are cut to compare with",
    )
    grader: str = Field(description="module of scripts/l2s/grading/graders")
    allowed_loss: float = Field(1.0, gt=0, le=100, description="points of accuracy that may be lost")
    report_share: float = Field(
        0.5, gt=0, lt=1, description="share of the questions that nothing is selected on, and results are reported on"
    )
    disagreement: float = Field(
        0.06,
        ge=0,
        le=1,
        description="assumed share of questions on which a merge and the slow model disagree, to say beforehand "
        "whether there are enough of them",
    )
    seed: int = Field(0, ge=0, description="of the split of the questions and of the proposals")
    rounds: tuple[SearchRound, ...] = Field(ROUNDS, min_length=1, description="the rounds of selection, in order")
    finalists: int = Field(3, gt=0, description="recipes that are asked the report's questions, at most")

    @model_validator(mode="after")
    def _rounds_fit(self) -> Self:
        if self.rounds[0].kept or not self.rounds[0].proposed:
            raise ValueError("the first of 'rounds' has nothing to keep: give it 'proposed' and no 'kept'")
        if empty := [number for number, one in enumerate(self.rounds, start=1) if not one.proposed + one.kept]:
            raise ValueError(f"round {empty[0]} of 'rounds' asks nothing: give it 'proposed' or 'kept'")
        return self

    @property
    def round_names(self) -> tuple[str, ...]:
        """The rounds of selection, and the report."""
        return (*(str(number) for number in range(1, len(self.rounds) + 1)), REPORT)

    def configured(self, config: MainConfig) -> Self:
        """Return the study as the top-level configuration changes it: with other decode settings."""
        study = super().configured(config)
        return study if config.decoding is None else study.model_copy(update={"decoding": config.decoding})

    def models_read(self, registry: Registry) -> list[str]:
        """Return the models of the pair."""
        return list(registry.pair(self.pair, "pair").models)

    def build(self, where: str, registry: Registry) -> list[MadeLine]:
        """Check everything that the rounds will refer to; the study has no lines of its own, its rounds have.

        Raises:
            UserError: Something does not exist or does not fit, or there are too few questions to show the allowed
                loss, however equal the answers.
        """
        pair = registry.pair(self.pair, where)
        if pair.quick is None or len(pair.slow) != 1:
            raise UserError(f"{where}: pair '{self.pair}' needs a quick and one slow model to be searched")
        space.check(self.items(where, registry), where)
        recipes = [space.filled(item, _first_picks(item)) for item in self.items(where, registry)]
        for study in self.round("", REPORT, recipes, registry).values():
            study.build(where, registry)
        if self.report_questions(registry) < least_questions(self.allowed_loss):
            raise UserError(f"{where}: {self.warning(registry)}")
        return []

    def warning(self, registry: Registry) -> str | None:
        """Say that there are too few questions to show the allowed loss, and what would do; None if they are enough."""
        return too_few(self.report_questions(registry), self.allowed_loss, self.disagreement)

    def report_questions(self, registry: Registry) -> int:
        """Return about how many questions the report asks, of all benchmarks together."""
        entries = [registry.benchmark(name) for name in self.benchmarks]
        return round(self.report_share * sum(min(entry.rows, entry.first or entry.rows) for entry in entries))

    def items(self, where: str, registry: Registry) -> list[dict[str, Any]]:
        """Return the space: recipes with a list in place of each value that is searched."""
        return [listed(values, where) for values in recipes_of(self.recipes, where, registry)]

    def plain_recipes(self, where: str, registry: Registry) -> list[dict[str, Any]]:
        """Return the recipes that are compared with."""
        return recipes_of(self.plain, where, registry)

    def round(
        self, name: str, round_name: str, recipes: list[dict[str, Any]], registry: Registry
    ) -> dict[str, RoundStudy]:
        """Return the studies that a round is, by name: one of its candidates and, in the report, one of the slow model
        with the prompt that asks for brevity."""
        member = round_study(name, round_name)
        report = round_name == REPORT
        slow = registry.pair(self.pair, "pair").slow
        study = RoundStudy(
            title=f"{self.title}: {'report' if report else f'round {round_name}'}",
            pairs=(self.pair,),
            # In selection, only what candidates are compared with.
            models=None if report else slow,
            recipes=(*recipes, *(self.plain if report else ())),
            benchmarks=self.benchmarks,
            decoding=asked_in(self.decoding, member),
            grader=self.grader,
            allowed_loss=self.allowed_loss,
            budgets=self.budgets if report else (),
            part=member,
        )
        if not report or self.brief is None:
            return {member: study}
        told = {"models": slow, "recipes": (), "budgets": (), "decoding": asked_in(self.brief, member)}
        return {member: study, round_study(name, "brief"): study.model_copy(update=told)}

    def proposing(self, round_name: str, registry: Registry) -> dict[str, Any]:
        """Return what a round's candidates follow from besides the rounds before."""
        where = "search"
        shared = {
            "items": self.items(where, registry),
            "plain": self.plain_recipes(where, registry),
            "seed": self.seed,
            "allowed_loss": self.allowed_loss,
        }
        if round_name == REPORT:
            return {**shared, "finalists": self.finalists}
        one = self.rounds[int(round_name) - 1]
        return {**shared, "proposed": one.proposed, "kept": one.kept}

    def methods(self, registry: Registry) -> list[str]:
        """Return the modules of the methods that are searched: what a proposal's recipes are read with."""
        recipes = [*self.items("search", registry), *self.plain_recipes("search", registry)]
        return sorted({module for recipe in recipes for module in space.modules(recipe)})

    def judging(self, registry: Registry) -> dict[str, Any]:
        """Return what the verdict follows from besides what the rounds measured."""
        own = self.model_dump(mode="json", include={"title", "allowed_loss", "budgets", "grader"})
        return {**own, "plain": self.plain_recipes("search", registry)}

    def splitting(self, round_name: str) -> dict[str, Any]:
        """Return what a round's part of the questions follows from."""
        count = None if round_name == REPORT else self.rounds[int(round_name) - 1].questions
        return {"seed": self.seed, "report_share": self.report_share, "count": count}

    def outputs(self, name: str, experiment: Experiment, layout: Layout) -> list[str]:
        """Return the page; the model is there if the page says so."""
        return [layout.shortened_page(name)]


def _first_picks(item: dict[str, Any]) -> space.Picks:
    return {space.dotted(path): 0 for path, _ in space.choices(item)}

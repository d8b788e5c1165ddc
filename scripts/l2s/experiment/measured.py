"""Studies that compare responses: pairs × recipes × benchmarks, decoded and graded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from l2s.errors import UserError
from l2s.experiment.pair_entry import PairEntry
from l2s.experiment.recipes import Merge, resolve
from l2s.experiment.schema import MainConfig
from l2s.experiment.study import Line, MadeLine, Study
from l2s.experiment.sweeps import expand
from l2s.experiment.trainings import TrainedCheckpoint, is_training, resolve_training
from l2s.grading.grades import grader_module
from l2s.layout import fetched
from l2s.merging.engine.recipe import hyper_parameters

if TYPE_CHECKING:
    from l2s.experiment.registry import Registry


class MeasuredStudy(Study):
    """A study of responses."""

    pairs: tuple[str, ...] = Field(min_length=1, description="entries of config/pairs")
    models: tuple[str, ...] | None = Field(
        None, description="entries of config/models that have a line of their own; absent: quick and slow of each pair"
    )
    recipes: tuple[str | dict[str, Any], ...] = Field(
        description="entries of config/recipes, or recipes written out, where a list stands for each of its values"
    )
    benchmarks: tuple[str, ...] = Field(min_length=1, description="entries of config/benchmarks")
    decoding: str = Field(description="entry of config/decoding")
    grader: str = Field(description="module of scripts/l2s/grading/graders; what the study shows is graded by it")

    @property
    def decodings(self) -> tuple[str, ...]:
        """The decode settings that every checkpoint is asked with."""
        return (self.decoding,)

    @property
    def graders(self) -> tuple[str, ...]:
        """The graders whose grades the study reads, its own first."""
        return (self.grader,)

    @abstractmethod
    def compared(self, lines: list[Line]) -> list[tuple[str, str]]:
        """Return (checkpoint, decode settings) of all responses that the study reads, in the order of its inputs."""

    def configured(self, config: MainConfig) -> Self:
        """Return the study as the top-level configuration changes it: with other decode settings."""
        study = super().configured(config)
        return study if config.decoding is None else study.model_copy(update={"decoding": config.decoding})

    def build(self, where: str, registry: Registry) -> list[MadeLine]:
        """Check what the study refers to, and return a line for each model and each recipe of each pair."""
        for benchmark in self.benchmarks:
            registry.benchmark(benchmark, where)
        for decoding in self.decodings:
            configured = decoding == registry.config.decoding
            asked_by = "key 'decoding' of the configuration" if configured else where
            for prompt in registry.decoding(decoding, asked_by).prompts:
                registry.prompt(prompt, str(registry.file("decoding", decoding)))
                for benchmark in self.benchmarks:
                    registry.example_set(prompt, benchmark)
        grader_module(self.grader, where)
        made = list(self._lines(where, registry))
        if not made:
            raise UserError(f"{where}: the study has no line: name at least one of key 'models' or 'recipes'")
        _check_distinct((line for line, _ in made), where)
        return made

    def _lines(self, where: str, registry: Registry) -> Iterator[MadeLine]:
        shown = set(self.models or ())
        for pair_name in self.pairs:
            pair = registry.pair(pair_name, where)
            reference = fetched(pair.reference_model)
            roles = {**dict.fromkeys(pair.slow, "slow"), pair.quick: "quick"}
            for model in dict.fromkeys(model for model in (pair.quick, *pair.slow) if model):
                if self.models is None or model in shown:
                    label = registry.model(model).label or model
                    yield MadeLine(Line(pair_name, roles[model], label, {}, fetched(model), reference), None)
                    shown.discard(model)
            for number, asked in enumerate(self.recipes, start=1):
                named, written, source = _recipe(asked, f"{where}, recipe {number}", registry)
                for values in ({**named, **one} for one in expand(written, source)):
                    made = _make(pair_name, pair, values, source, registry)
                    yield MadeLine(_line(pair_name, made, reference), made)
        if shown:
            raise UserError(
                f"{where}: key 'models': {min(shown)} is in none of the study's pairs; correct or remove it"
            )


def checkpoints_of(lines: Iterable[Line]) -> set[str]:
    """Return the checkpoints of a study's lines, references included."""
    return {name for line in lines for name in (line.checkpoint, line.reference)}


def recipes_of(asked: Iterable[str | dict[str, Any]], where: str, registry: Registry) -> list[dict[str, Any]]:
    """Return recipes as a study writes them, on top of the entries that they name, with their lists and ranges."""
    parts = [_recipe(one, f"{where}, recipe {number}", registry) for number, one in enumerate(asked, start=1)]
    return [{**named, **written} for named, written, _ in parts]


def _recipe(asked: str | dict[str, Any], where: str, registry: Registry) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the values of the entry that an item names, what the item says itself, and what messages call it."""
    written = {"recipe": asked} if isinstance(asked, str) else dict(asked)
    named = written.pop("recipe", None)
    if named is None:
        return {}, written, where
    start, file = registry.recipe(str(named), where)
    if not isinstance(start, dict):
        raise UserError(f"{file}: expected a mapping with 'method' and its hyper-parameters")
    return start, written, file if isinstance(asked, str) else where


def _make(pair_name: str, pair: PairEntry, values: Any, where: str, registry: Registry) -> Merge | TrainedCheckpoint:
    complete = resolve_training if is_training(values, where) else resolve
    return complete(pair_name, pair, values, where, registry)


def _line(pair: str, made: Merge | TrainedCheckpoint, reference: str) -> Line:
    method = made.recipe.method
    checkpoint = f"{pair}/{method.method}/{made.folder}"
    return Line(pair, method.method, made.label, hyper_parameters(method), checkpoint, reference)


def _check_distinct(lines: Iterable[Line], where: str) -> None:
    """Refuse a recipe that is given twice, and two lines that tables and figures could not tell apart."""
    seen: set[tuple[str, str]] = set()
    named: dict[tuple[str, str], str] = {}
    for line in lines:
        if (line.pair, line.checkpoint) in seen:
            raise UserError(f"{where}: key 'recipes': '{line.recipe}' is given twice")
        seen.add((line.pair, line.checkpoint))
        first = named.setdefault((line.pair, line.recipe), line.checkpoint)
        if first != line.checkpoint:
            raise UserError(
                f"{where}: {first} and {line.checkpoint} would both be called '{line.recipe}' in tables: give one "
                "another 'label', or numbers that differ in their first six digits"
            )

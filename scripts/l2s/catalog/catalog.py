"""The configured studies, and what follows from them."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from l2s.catalog.entries import MODELS, Entries
from l2s.catalog.recipes import Merge, folder_of, label_of, resolve
from l2s.catalog.schema import Line, MainConfig, Study, TableStudy
from l2s.catalog.sweeps import expand
from l2s.catalog.trainings import TrainedCheckpoint, is_training, resolve_training
from l2s.checkpoints.entries import PairEntry
from l2s.config import suggestion, validate
from l2s.errors import UserError
from l2s.grading.grades import grader_module
from l2s.merging.engine.recipe import hyper_parameters

FIGURES_FOLDER = Path(__file__).resolve().parents[1] / "analysis" / "figures"


class Catalog:
    """The configured studies and all entries that they reach.

    Attributes:
        entries: The entries of ``config/``.
        studies: The configured studies, by name.
        lines: The lines of each study that is a table.
        merges: The merged checkpoints of all studies, by their path under ``checkpoints/``.
        trainings: The trained ones, likewise.

    Args:
        config: The top-level configuration, as Snakemake has merged it.
        folder: The folder of entries, ``config/``.

    Raises:
        UserError: An entry is missing or malformed, or one refers to something that does not exist.
    """

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.entries = Entries(folder)
        self.config = validate(MainConfig, config, "configuration (config/config.yaml, --configfile, --config)")
        self.studies: dict[str, Study] = {}
        self.lines: dict[str, list[Line]] = {}
        self.merges: dict[str, Merge] = {}
        self.trainings: dict[str, TrainedCheckpoint] = {}
        for name in self.config.studies:
            study = self.studies[name] = self.entries.study(name, "key 'studies' of the configuration")
            where = str(self.entries.file("studies", name))
            if isinstance(study, TableStudy):
                self._check_table(study, where)
                self.lines[name] = list(self._lines(study, where))
                _check_distinct(self.lines[name], where)

    def _check_table(self, study: TableStudy, where: str) -> None:
        for benchmark in study.benchmarks:
            self.entries.benchmark(benchmark, where)
        self.entries.decoding(study.decoding, where)
        self.entries.prompt(study.decoding)
        grader_module(study.grader, where)
        known = [file.stem for file in FIGURES_FOLDER.glob("*.py") if file.stem != "__init__"]
        for figure in study.figures:
            if figure not in known:
                raise UserError(f"{where}: unknown figure '{figure}'{suggestion(figure, known, 'the figures are')}")

    def _lines(self, study: TableStudy, where: str) -> Iterator[Line]:
        for pair_name in study.pairs:
            pair = self.entries.pair(pair_name, where)
            reference = f"{MODELS}/{pair.reference_model}"
            roles = {**dict.fromkeys(pair.slow, "slow"), pair.quick: "quick"}
            for model in dict.fromkeys(model for model in (pair.quick, *pair.slow) if model):
                label = self.entries.model(model).label or model
                yield Line(pair_name, roles[model], label, {}, f"{MODELS}/{model}", reference)
            for number, asked in enumerate(study.recipes, start=1):
                for values, source in self._recipes(asked, f"{where}, recipe {number}"):
                    line = self._training_line if is_training(values, source) else self._merge_line
                    yield line(pair_name, pair, values, source, reference)

    def _recipes(self, asked: str | dict[str, Any], where: str) -> Iterator[tuple[Any, str]]:
        """Yield the values of each recipe that a study's item stands for, and what messages call their source."""
        if isinstance(asked, str):
            yield self.entries.recipe(asked, where)
            return
        written = dict(asked)
        named = written.pop("recipe", None)
        for values in expand(written, where):
            if named is None:
                yield values, where
            else:
                start, file = self.entries.recipe(str(named), where)
                if not isinstance(start, dict):
                    raise UserError(f"{file}: expected a mapping with 'method' and its hyper-parameters")
                yield {**start, **values}, where

    def _merge_line(self, pair_name: str, pair: PairEntry, values: Any, where: str, reference: str) -> Line:
        merge = resolve(pair_name, pair, values, where, self.entries)
        method = merge.recipe.method
        checkpoint = f"{pair_name}/{method.method}/{folder_of(merge.recipe)}"
        self.merges[checkpoint] = merge
        numbers = hyper_parameters(method)
        return Line(pair_name, method.method, label_of(merge.recipe), numbers, checkpoint, reference)

    def _training_line(self, pair_name: str, pair: PairEntry, values: Any, where: str, reference: str) -> Line:
        trained = resolve_training(pair_name, pair, values, where, self.entries)
        method = trained.recipe.method
        checkpoint = f"{pair_name}/{method.method}/{trained.folder}"
        self.trainings[checkpoint] = trained
        return Line(pair_name, method.method, trained.label, hyper_parameters(method), checkpoint, reference)

    def reference_name(self, study: str) -> str:
        """Say what a study's lengths are compared with."""
        references = {line.reference.removeprefix(f"{MODELS}/") for line in self.lines[study]}
        if len(references) > 1:
            return "the pair's reference"
        name = references.pop()
        return self.entries.model(name).label or name

    @cached_property
    def asked(self) -> dict[tuple[str, str], list[str]]:
        """Benchmarks asked of each (checkpoint, decode settings), over all configured studies."""
        asked: dict[tuple[str, str], set[str]] = {}
        for name, lines in self.lines.items():
            study = self.studies[name]
            for line in lines:
                for checkpoint in (line.checkpoint, line.reference):
                    asked.setdefault((checkpoint, study.decoding), set()).update(study.benchmarks)
        return {key: sorted(benchmarks) for key, benchmarks in asked.items()}


def _check_distinct(lines: list[Line], where: str) -> None:
    seen: set[tuple[str, str]] = set()
    for line in lines:
        if (line.pair, line.checkpoint) in seen:
            raise UserError(f"{where}: key 'recipes': '{line.recipe}' is given twice")
        seen.add((line.pair, line.checkpoint))

"""The catalogue: every entry that the configured studies use, checked, and the jobs that follow from it.

This is what the Snakefile builds its rules' inputs and parameters from. It reads YAML files only; no script imports it,
so that editing it makes nothing stale by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, Field, field_validator

from l2s.analysis.names import MEAN
from l2s.checkpoints.entries import ModelEntry, PairEntry
from l2s.config import StrictModel, find_entry, read_entry, read_yaml, suggestion, validate
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.errors import UserError
from l2s.files import digest_of
from l2s.grading.grades import grader_module
from l2s.merging.engine.recipe import Inputs, Recipe, hyper_parameters, method_modules, parse_method, parse_recipe
from l2s.sources.benchmarks import BenchmarkEntry

Entry = TypeVar("Entry", bound=BaseModel)

MODELS = "models"  # checkpoints/models/<entry>: fetched models lie by model, not by pair
TAKEN_NAMES = (MODELS, "merges")
FIGURES_FOLDER = Path(__file__).resolve().parent / "analysis" / "figures"


class MainConfig(StrictModel):
    """The top level: ``config/config.yaml`` or the file given with ``--configfile``; scalars and lists only."""

    results: str = Field(min_length=1, description="folder of everything that a run makes")
    studies: tuple[str, ...] = Field(min_length=1, description="entries of config/studies that 'all' means")
    merge_threads: int = Field(gt=0, description="tensors that a merge job works on at a time")


class StudyEntry(StrictModel):
    """A study, one table and its figures: pairs × recipes × benchmarks, decode settings, grader."""

    title: str
    pairs: tuple[str, ...] = Field(min_length=1)
    recipes: tuple[str | dict[str, Any], ...] = Field(
        description="entries of config/recipes, or recipes written out; the pair's own models always come first"
    )
    benchmarks: tuple[str, ...] = Field(min_length=1)
    decoding: str = Field(description="entry of config/decoding")
    grader: str
    figures: tuple[str, ...] = Field((), description="modules of scripts/l2s/analysis/figures")

    @field_validator("pairs", "benchmarks", "figures")
    @classmethod
    def _once_each(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"named more than once: {', '.join(twice)}")
        return names


class Line(NamedTuple):
    """A line of a study's table: a checkpoint, and the reference that its lengths are compared with."""

    pair: str
    method: str
    recipe: str
    checkpoint: str
    reference: str


@dataclass(frozen=True)
class Merge:
    """A merged checkpoint: its recipe with sources in place of entries, and which model entry each source is."""

    recipe: Recipe
    models: dict[str, str]

    @property
    def modules(self) -> list[str]:
        """The modules of the recipe's methods."""
        return method_modules(self.recipe.method)


class Catalog:
    """The configured studies and all entries that they reach.

    Args:
        config: The top-level configuration, as Snakemake has merged it.
        folder: The folder of entries, ``config/``.

    Raises:
        UserError: An entry is missing or malformed, or one refers to something that does not exist.
    """

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.folder = folder
        self.config = validate(MainConfig, config, "configuration (config/config.yaml, --configfile, --config)")
        self.merges: dict[str, Merge] = {}
        self.studies: dict[str, StudyEntry] = {}
        self.lines: dict[str, list[Line]] = {}
        for name in self.config.studies:
            self.studies[name] = self._entry("studies", name, StudyEntry, "key 'studies' of the configuration")
            self._check_study(name)
            self.lines[name] = list(self._study_lines(name))
            self._check_lines(name)

    # ---- entries

    def _entry(self, kind: str, name: str, schema: type[Entry], asked_by: str) -> Entry:
        return _read_once(find_entry(self.folder / kind, name, asked_by), schema)

    def model(self, name: str, asked_by: str = "models") -> ModelEntry:
        """Return a model's entry; a local directory must exist."""
        entry = self._entry("models", name, ModelEntry, asked_by)
        if entry.path is not None and not Path(entry.path).is_dir():
            file = self.folder / "models" / f"{name}.yaml"
            raise UserError(f"{file}: key 'path': there is no folder {entry.path}; put the model there or correct it")
        return entry

    def pair(self, name: str, asked_by: str) -> PairEntry:
        """Return a pair's entry, its models checked."""
        if name in TAKEN_NAMES:
            raise UserError(f"{asked_by}: a pair cannot be called '{name}': other results lie under that name")
        entry = self._entry("pairs", name, PairEntry, asked_by)
        for model in entry.models:
            self.model(model, f"{self.folder / 'pairs' / name}.yaml")
        return entry

    def benchmark(self, name: str, asked_by: str = "benchmarks") -> BenchmarkEntry:
        """Return a benchmark's entry; a local file must exist."""
        if name == MEAN:
            raise UserError(f"{asked_by}: a benchmark cannot be called '{MEAN}': tables use that name")
        entry = self._entry("benchmarks", name, BenchmarkEntry, asked_by)
        path = entry.source.path
        if path is not None and not Path(path).is_file():
            file = self.folder / "benchmarks" / f"{name}.yaml"
            raise UserError(f"{file}: key 'source.path': there is no file {path}; put it there or correct it")
        return entry

    def decoding(self, name: str, asked_by: str = "decoding") -> DecodingEntry:
        """Return decode settings by name."""
        return self._entry("decoding", name, DecodingEntry, asked_by)

    def prompt(self, decoding: str) -> PromptEntry:
        """Return the prompt that decode settings name."""
        asked_by = f"{self.folder / 'decoding' / decoding}.yaml"
        return self._entry("prompts", self.decoding(decoding).prompt, PromptEntry, asked_by)

    # ---- studies

    def _check_study(self, name: str) -> None:
        where, study = f"{self.folder / 'studies' / name}.yaml", self.studies[name]
        for benchmark in study.benchmarks:
            self.benchmark(benchmark, where)
        self.decoding(study.decoding, where)
        self.prompt(study.decoding)
        grader_module(study.grader, where)
        known = [file.stem for file in FIGURES_FOLDER.glob("*.py") if file.stem != "__init__"]
        for figure in study.figures:
            if figure not in known:
                raise UserError(f"{where}: unknown figure '{figure}'{suggestion(figure, known, 'the figures are')}")

    def _check_lines(self, name: str) -> None:
        seen: set[tuple[str, str]] = set()
        for line in self.lines[name]:
            if (line.pair, line.checkpoint) in seen:
                raise UserError(f"{self.folder / 'studies' / name}.yaml: key 'recipes': '{line.recipe}' is given twice")
            seen.add((line.pair, line.checkpoint))

    def _study_lines(self, name: str) -> Iterator[Line]:
        where, study = f"{self.folder / 'studies' / name}.yaml", self.studies[name]
        for pair_name in study.pairs:
            pair = self.pair(pair_name, where)
            reference = f"{MODELS}/{pair.reference_model}"
            roles = {**dict.fromkeys(pair.slow, "slow"), pair.quick: "quick"}
            for model in dict.fromkeys(model for model in (pair.quick, *pair.slow) if model):
                label = self.model(model).label or model
                yield Line(pair_name, roles[model], label, f"{MODELS}/{model}", reference)
            for number, recipe in enumerate(study.recipes, start=1):
                yield self._merge_line(pair_name, pair, recipe, f"{where}, recipe {number}", reference)

    def _merge_line(self, pair_name: str, pair: PairEntry, asked: str | dict, where: str, reference: str) -> Line:
        if isinstance(asked, str):
            file = find_entry(self.folder / "recipes", asked, where)
            values, where = read_yaml(file), str(file)
        else:
            values = asked
        merge = self._resolve(pair_name, pair, values, where)
        method = merge.recipe.method
        label = _label(merge.recipe)
        checkpoint = f"{pair_name}/{method.method}/{_readable(merge.recipe)}"
        self.merges[checkpoint] = merge
        return Line(pair_name, method.method, label, checkpoint, reference)

    def _resolve(self, pair_name: str, pair: PairEntry, values: Any, where: str) -> Merge:
        """Complete a recipe entry with the pair's models, given as sources."""
        for key in ("base", "models"):
            if isinstance(values, dict) and key in values:
                raise UserError(f"{where}: key '{key}' is given by the pair; only a recipe for merge.py names it")
        sources = {name: self.model(name).source for name in pair.models}
        names = {source: name for name, source in reversed(sources.items())}
        slow = [sources[name] for name in pair.slow]
        if not isinstance(values, dict):
            raise UserError(f"{where}: expected a mapping with 'method' and its hyper-parameters")
        method = parse_method({key: value for key, value in values.items() if key not in Inputs.model_fields}, where)
        if not method.needs_base:
            quick = [sources[pair.quick]] if pair.quick else []
            recipe = parse_recipe({**values, "models": [*quick, *slow]}, where)
        elif pair.base_model is None:
            raise UserError(f"{where}: method '{method.method}' needs a base, and pair '{pair_name}' has none")
        else:
            recipe = parse_recipe({**values, "base": sources[pair.base_model], "models": slow}, where)
        used = [*recipe.inputs.models, *([recipe.inputs.base] if recipe.inputs.base else [])]
        return Merge(recipe, {source: names[source] for source in used})

    # ---- what follows from the studies

    def reference_name(self, study: str) -> str:
        """Say what a study's lengths are compared with."""
        references = {line.reference.removeprefix(f"{MODELS}/") for line in self.lines[study]}
        if len(references) > 1:
            return "the pair's reference"
        name = references.pop()
        return self.model(name).label or name

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


@cache
def _read_once(path: Path, schema: type[Entry]) -> Entry:
    return read_entry(path, schema)


def _label(recipe: Recipe) -> str:
    """Name a recipe in tables: its method, its numbers, and whatever else is not the default."""
    method = recipe.method
    parts = [method.method]
    for key, value in hyper_parameters(method).items():
        if isinstance(value, float):
            parts.append(f"{key} {value:g}")
        elif value != type(method).model_fields[key].default:
            parts.append(f"{key} {value.get('method', 'by tensor') if isinstance(value, dict) else value}")
    own = recipe.inputs.model_dump(exclude={"base", "models"})
    parts += [f"{key} {value}" for key, value in own.items() if value != Inputs.model_fields[key].default]
    return ", ".join(parts)


def _readable(recipe: Recipe) -> str:
    """Return the last part of a merged checkpoint's path: hyper-parameters, and the digest of the resolved recipe."""
    parts = [
        f"{key}={value.get('method', 'by-tensor') if isinstance(value, dict) else value}"
        for key, value in hyper_parameters(recipe.method).items()
    ]
    return f"{'+'.join(parts) or 'plain'}~{digest_of(recipe.resolved())[:8]}"

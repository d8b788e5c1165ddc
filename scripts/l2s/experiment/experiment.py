"""The configured studies, and what follows from them."""

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from l2s.checkpoints.manifest import MODELS
from l2s.config import validate
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.errors import UserError
from l2s.experiment.figures import check_figures
from l2s.experiment.names import check_study_name
from l2s.experiment.pair_entry import PairEntry
from l2s.experiment.recipes import Merge, folder_of, label_of, resolve
from l2s.experiment.registry import Registry
from l2s.experiment.schema import (
    Line,
    MainConfig,
    MeasuredStudy,
    SpectraStudy,
    Study,
    StudyGroup,
    TableStudy,
    TaskVector,
)
from l2s.experiment.sweeps import expand
from l2s.experiment.trainings import TrainedCheckpoint, is_training, resolve_training
from l2s.grading.grades import grader_module
from l2s.merging.engine.recipe import hyper_parameters


class Experiment:
    """The configured studies and all entries that they reach.

    Attributes:
        entries: The entries of ``config/``.
        studies: The configured studies, by name.
        lines: The lines of each study of responses.
        task_vectors: The task vectors of each study of spectra.
        merges: The merged checkpoints of all studies, by their path under ``checkpoints/``.
        trainings: The trained ones, likewise.

    Args:
        config: The top-level configuration, as Snakemake has merged it.
        folder: The folder of entries, ``config/``.

    Raises:
        UserError: An entry is missing or malformed, or one refers to something that does not exist.
    """

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.config = validate(MainConfig, config, "configuration (config/config.yaml, --configfile, --config)")
        self.registry = Registry(folder, self.config)
        self.studies: dict[str, Study] = {}
        self.lines: dict[str, list[Line]] = {}
        self.task_vectors: dict[str, list[TaskVector]] = {}
        self.merges: dict[str, Merge] = {}
        self.trainings: dict[str, TrainedCheckpoint] = {}
        for name in self.config.studies:
            self._add_study(name, "key 'studies' of the configuration")

    def _add_study(self, name: str, asked_by: str, groups: tuple[str, ...] = ()) -> None:
        """Add a study, and those of a group; ``groups`` are the ones that it is a part of."""
        if name in groups:
            around = " > ".join([*groups[groups.index(name) :], name])
            raise UserError(f"{asked_by}: key 'studies': a group cannot contain itself ({around}); remove '{name}'")
        if name in self.studies:
            return
        check_study_name(name, asked_by)
        study = self.studies[name] = self.registry.study(name, asked_by)
        where = str(self.registry.file("studies", name))
        if isinstance(study, StudyGroup):
            for member in study.studies:
                self._add_study(member, where, (*groups, name))
        elif isinstance(study, SpectraStudy):
            self.task_vectors[name] = list(self._task_vectors(study, where))
        elif isinstance(study, MeasuredStudy):
            if self.config.decoding is not None:
                study = self.studies[name] = study.model_copy(update={"decoding": self.config.decoding})
            self._check_measured(study, where)
            self.lines[name] = list(self._lines(study, where))
            if not self.lines[name]:
                raise UserError(f"{where}: the study has no line: name at least one of key 'models' or 'recipes'")
            _check_distinct(self.lines[name], where)
        if isinstance(study, TableStudy):
            check_figures(study, self.lines[name], where, self.registry)

    def _check_measured(self, study: MeasuredStudy, where: str) -> None:
        for benchmark in study.benchmarks:
            self.registry.benchmark(benchmark, where)
        for decoding in study.decodings:
            configured = decoding == self.config.decoding
            asked_by = "key 'decoding' of the configuration" if configured else where
            for prompt in self.registry.decoding(decoding, asked_by).prompts:
                self.registry.prompt(prompt, str(self.registry.file("decoding", decoding)))
                for benchmark in study.benchmarks:
                    self.registry.example_set(prompt, benchmark)
        grader_module(study.grader, where)

    def _task_vectors(self, study: SpectraStudy, where: str) -> Iterator[TaskVector]:
        for name in study.pairs:
            pair = self.registry.pair(name, where)
            if pair.base_model is None:
                raise UserError(f"{where}: pair '{name}' has no base that task vectors are taken from; give it one")
            yield from (TaskVector(pair.base_model, slow) for slow in pair.slow)

    def _lines(self, study: MeasuredStudy, where: str) -> Iterator[Line]:
        shown = set(study.models or ())
        for pair_name in study.pairs:
            pair = self.registry.pair(pair_name, where)
            reference = f"{MODELS}/{pair.reference_model}"
            roles = {**dict.fromkeys(pair.slow, "slow"), pair.quick: "quick"}
            for model in dict.fromkeys(model for model in (pair.quick, *pair.slow) if model):
                if study.models is None or model in shown:
                    label = self.registry.model(model).label or model
                    yield Line(pair_name, roles[model], label, {}, f"{MODELS}/{model}", reference)
                    shown.discard(model)
            for number, asked in enumerate(study.recipes, start=1):
                for values, source in self._recipes(asked, f"{where}, recipe {number}"):
                    line = self._training_line if is_training(values, source) else self._merge_line
                    yield line(pair_name, pair, values, source, reference)
        if shown:
            raise UserError(
                f"{where}: key 'models': {min(shown)} is in none of the study's pairs; correct or remove it"
            )

    def _recipes(self, asked: str | dict[str, Any], where: str) -> Iterator[tuple[Any, str]]:
        """Yield the values of each recipe that a study's item stands for, and what messages call their source."""
        if isinstance(asked, str):
            yield self.registry.recipe(asked, where)
            return
        written = dict(asked)
        named = written.pop("recipe", None)
        for values in expand(written, where):
            if named is None:
                yield values, where
            else:
                start, file = self.registry.recipe(str(named), where)
                if not isinstance(start, dict):
                    raise UserError(f"{file}: expected a mapping with 'method' and its hyper-parameters")
                yield {**start, **values}, where

    def _merge_line(self, pair_name: str, pair: PairEntry, values: Any, where: str, reference: str) -> Line:
        merge = resolve(pair_name, pair, values, where, self.registry)
        method = merge.recipe.method
        checkpoint = f"{pair_name}/{method.method}/{folder_of(merge.recipe)}"
        self.merges[checkpoint] = merge
        numbers = hyper_parameters(method)
        return Line(pair_name, method.method, label_of(merge.recipe), numbers, checkpoint, reference)

    def _training_line(self, pair_name: str, pair: PairEntry, values: Any, where: str, reference: str) -> Line:
        trained = resolve_training(pair_name, pair, values, where, self.registry)
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
        return self.registry.model(name).label or name

    @cached_property
    def checkpoints(self) -> list[str]:
        """Every checkpoint that a study uses, the models that others are made of included."""
        models = {model for merge in self.merges.values() for model in merge.models.values()}
        models.update(trained.model for trained in self.trainings.values())
        models.update(model for vectors in self.task_vectors.values() for vector in vectors for model in vector)
        used = [{f"{MODELS}/{model}" for model in models}, *map(_checkpoints, self.lines.values())]
        return sorted(set().union(*used))

    @cached_property
    def calibrations(self) -> list[str]:
        """The names of all calibrations that the studies' merges read."""
        return sorted({read.name for merge in self.merges.values() for read in merge.calibrations.values()})

    @cached_property
    def asked(self) -> dict[tuple[str, str], list[str]]:
        """Benchmarks asked of each (checkpoint, decode settings), over all configured studies."""
        asked: dict[tuple[str, str], set[str]] = {}
        for name, lines in self.lines.items():
            study = self.studies[name]
            for checkpoint, decoding in product(_checkpoints(lines), study.decodings):
                asked.setdefault((checkpoint, decoding), set()).update(study.benchmarks)
        return {key: sorted(benchmarks) for key, benchmarks in asked.items()}

    @cached_property
    def roles(self) -> dict[str, set[Role]]:
        """What each checkpoint is, over all configured studies; a reference that is no line of any table is slow."""
        lines = [line for lines in self.lines.values() for line in lines]
        roles: dict[str, set[Role]] = {}
        for line in lines:
            role = Role(line.method) if line.checkpoint.startswith(f"{MODELS}/") else Role.MERGED
            roles.setdefault(line.checkpoint, set()).add(role)
        for line in lines:
            roles.setdefault(line.reference, {Role.SLOW})
        return roles

    def decoding_of(self, checkpoint: str, decoding: str) -> DecodingEntry:
        """Return a checkpoint's decode settings: budget and context length of its role, devices for its size."""
        settings = self.registry.decoding(decoding).for_roles(self.roles[checkpoint])
        if settings.gpus is not None:
            return settings
        size = self.size(checkpoint)
        if size is None:
            file = self.registry.file("decoding", decoding)
            raise UserError(
                f"{file}: tensor_parallel 'auto' needs to know how large {checkpoint} is: give key 'bytes' in its "
                "models' entries, or a number of devices"
            )
        return settings.for_checkpoint(size, heads=None)

    def size(self, checkpoint: str) -> int | None:
        """Return the bytes of a checkpoint's weights, of a merge at most, as far as the configuration tells."""
        merge = self.merges.get(checkpoint)
        if checkpoint in self.trainings:
            return self.registry.model_bytes(self.trainings[checkpoint].model)
        if merge is None:
            return self.registry.model_bytes(checkpoint.removeprefix(f"{MODELS}/"))
        sizes = [self.registry.model_bytes(name) for name in merge.models.values()]
        # Published weights have 16 bits.
        return None if None in sizes else max(sizes) * (2 if merge.recipe.inputs.dtype == "float32" else 1)

    def prompt_of(self, checkpoint: str, decoding: str) -> PromptEntry:
        """Return the prompt of a checkpoint."""
        return self.registry.prompt(self.decoding_of(checkpoint, decoding).prompt, decoding)

    def example_sets(self, checkpoint: str, decoding: str) -> dict[str, str]:
        """Return the set of few-shot examples of each benchmark asked of a checkpoint; empty if its prompt shows none.

        Of these benchmarks only, so that the sets of others make no response stale.
        """
        prompt = self.decoding_of(checkpoint, decoding).prompt
        sets = {name: self.registry.example_set(prompt, name) for name in self.asked[checkpoint, decoding]}
        return {benchmark: name for benchmark, name in sets.items() if name is not None}


def _checkpoints(lines: list[Line]) -> set[str]:
    """Return the checkpoints of a study's lines, references included."""
    return {name for line in lines for name in (line.checkpoint, line.reference)}


def _check_distinct(lines: list[Line], where: str) -> None:
    seen: set[tuple[str, str]] = set()
    for line in lines:
        if (line.pair, line.checkpoint) in seen:
            raise UserError(f"{where}: key 'recipes': '{line.recipe}' is given twice")
        seen.add((line.pair, line.checkpoint))

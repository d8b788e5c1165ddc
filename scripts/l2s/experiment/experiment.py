"""The configured studies, and what follows from them."""

import itertools
from collections.abc import Hashable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from l2s.config import validate
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role
from l2s.errors import UserError
from l2s.experiment.ahead import AHEAD, DECODE, Ahead, Asked, groups, is_shared
from l2s.experiment.measured import checkpoints_of
from l2s.experiment.recipes import Merge
from l2s.experiment.registry import Registry
from l2s.experiment.results_folder import check_folder
from l2s.experiment.schema import MainConfig
from l2s.experiment.study import Line, Study
from l2s.experiment.trainings import TrainedCheckpoint
from l2s.layout import Layout, fetched, is_fetched, is_imported, model_of, round_study
from l2s.merging.engine.contract import Method
from l2s.search.candidates import Candidates, read_candidates


class Experiment:
    """The configured studies and all entries that they reach.

    Attributes:
        config: The top-level configuration.
        registry: The entries of ``config/``.
        studies: The configured studies, those of their groups, and the rounds of searches that are known so far, by
            name.
        targets: The names of those that are entries: all but the rounds.
        lines: The lines of each study that compares responses, by its name.
        merges: The merged checkpoints of all studies, by their path under ``checkpoints/``.
        trainings: The trained ones, likewise.

    Args:
        config: The top-level configuration, as Snakemake has merged it.
        folder: The folder of entries, ``config/``.

    Raises:
        UserError: An entry is missing or malformed, or one refers to something that does not exist.
    """

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.config = validate(
            MainConfig, config, "configuration (--configfile, else config/config.yaml, and --config)"
        )
        check_folder(self.config.results, "results")
        if self.config.scratch is not None:
            check_folder(self.config.scratch, "scratch")
        self.registry = Registry(folder, self.config)
        self.studies: dict[str, Study] = {}
        self.lines: dict[str, list[Line]] = {}
        self.merges: dict[str, Merge] = {}
        self.trainings: dict[str, TrainedCheckpoint] = {}
        self._rounds: dict[str, Candidates] = {}
        self._decodings: dict[tuple[str, str], DecodingEntry] = {}
        for name in self.config.studies:
            self._add_study(name, "key 'studies' of the configuration")
        self.targets = list(self.studies)
        self._add_known_rounds()

    def _add_study(self, name: str, asked_by: str, groups: tuple[str, ...] = ()) -> None:
        """Add a study, and those that belong to it; ``groups`` are the ones that it belongs to."""
        if name in groups:
            around = " > ".join([*groups[groups.index(name) :], name])
            raise UserError(f"{asked_by}: key 'studies': a group cannot contain itself ({around}); remove '{name}'")
        if name in self.studies:
            return
        study = self.studies[name] = self.registry.study(name, asked_by)
        where = str(self.registry.file("studies", name))
        for member in study.members:
            self._add_study(member, where, (*groups, name))
        self._build(name, study, where)

    def _build(self, name: str, study: Study, where: str) -> None:
        made = study.build(where, self.registry)
        if made:
            self.lines[name] = [line for line, _ in made]
        merges = {line.checkpoint: how for line, how in made if isinstance(how, Merge)}
        for merge in merges.values():
            self._check_device(merge.recipe.method, where)
        self.merges.update(merges)
        self.trainings.update((line.checkpoint, how) for line, how in made if isinstance(how, TrainedCheckpoint))

    def _check_device(self, method: Method, where: str) -> None:
        """Refuse to merge on a GPU what could not be made again on a CPU, where weights are not kept."""
        if self.config.merge_device == "cuda" and not self.config.keep_checkpoints and method.works_on == "matrices":
            raise UserError(
                f"{where}: weights that method '{method.method}' merges on a GPU differ from a CPU's in the last bits, "
                "and with keep_checkpoints: false a CPU has to make them again; set merge_device to auto or cpu"
            )

    def _add_known_rounds(self) -> None:
        """Add the rounds of searches whose candidates lie in the results folder, some of which may be stale."""
        layout = Layout(self.config.results)
        for name in self.targets:
            for round_name in self.studies[name].round_names:
                if Path(layout.candidates(name, round_name)).is_file():
                    self.add_round(name, round_name)

    def add_round(self, search: str, round_name: str) -> None:
        """Add a round of a search, a study of its own, with the candidates that lie in the results folder.

        Candidates are not known before the rounds before have been decoded, so this is called again and again while a
        run goes on.

        Raises:
            UserError: The candidates' file is missing or damaged.
        """
        path = Path(Layout(self.config.results).candidates(search, round_name))
        candidates = read_candidates(path)
        name = round_study(search, round_name)
        if self._rounds.get(name) == candidates:
            return
        self._rounds[name] = candidates
        recipes = [candidate.recipe for candidate in candidates.candidates]
        for member, study in self.studies[search].round(search, round_name, recipes, self.registry).items():
            self.studies[member] = study
            self._build(member, study, str(path))
        for known in [name for name, value in vars(Experiment).items() if isinstance(value, cached_property)]:
            self.__dict__.pop(known, None)
        self._decodings.clear()

    def check_targets(self, rules: Iterable[str]) -> None:
        """Refuse a study that has the name of one of the workflow's rules: both are targets of Snakemake's.

        Raises:
            UserError: Names the study's file.
        """
        for name in sorted(set(self.targets) & set(rules)):
            file = self.registry.file("studies", name)
            raise UserError(f"{file}: a study cannot be called '{name}': a rule has that name; rename the file")

    def outputs(self, study: str, layout: Layout) -> list[str]:
        """Return the files that a study is for."""
        return self.studies[study].outputs(study, self, layout)

    def compared(self, study: str) -> list[tuple[str, str]]:
        """Return (checkpoint, decode settings) of all responses that a study reads, in the order of its inputs."""
        return self.studies[study].compared(self.lines[study])

    @cached_property
    def checkpoints(self) -> list[str]:
        """Every checkpoint that a study uses, the models that others are made of included; imports are none."""
        models = {model for merge in self.merges.values() for model in merge.models.values()}
        models.update(trained.model for trained in self.trainings.values())
        models.update(model for study in self.studies.values() for model in study.models_read(self.registry))
        used = [set(map(fetched, models)), *map(checkpoints_of, self.lines.values())]
        return sorted(itertools.filterfalse(is_imported, set().union(*used)))

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
            decoded = itertools.filterfalse(is_imported, checkpoints_of(lines))
            for checkpoint, decoding in itertools.product(decoded, study.decodings):
                asked.setdefault((checkpoint, decoding), set()).update(study.benchmarks)
        return {key: sorted(benchmarks) for key, benchmarks in asked.items()}

    @cached_property
    def ahead(self) -> dict[Asked, Ahead]:
        """Who is decoded ahead, and by which jobs."""
        shared = [one for one in sorted(self.asked) if is_shared(self.registry.decoding(one[1]))]
        return groups((one, self.decoding_of(*one), self._alike(*one)) for one in shared)

    def _alike(self, checkpoint: str, decoding: str) -> Hashable:
        """Return what is the same for merges that one engine can decode: shape, settings, questions, examples."""
        if checkpoint not in self.merges:
            return checkpoint, decoding
        pair = checkpoint.partition("/")[0]
        sets = self.example_sets(checkpoint, decoding)
        settings = self.decoding_of(checkpoint, decoding).model_dump_json()
        return pair, decoding, settings, tuple(self.asked[checkpoint, decoding]), tuple(sets.items())

    def decodes(self, rule: str, checkpoint: str, decoding: str) -> tuple[str, ...]:
        """Return the checkpoints that a job generates responses with; none if it only reads them from the store."""
        ahead = self.ahead.get((checkpoint, decoding))
        if rule == AHEAD and ahead:
            return ahead.checkpoints
        return (checkpoint,) if rule == DECODE and not ahead else ()

    def benchmarks_of(self, checkpoint: str, decoding: str) -> list[str]:
        """Return the benchmarks that there are responses to, of a checkpoint that is decoded or of an import."""
        if is_imported(checkpoint):
            return self.registry.imported(model_of(checkpoint)).benchmarks
        return self.asked[checkpoint, decoding]

    @cached_property
    def studies_of(self) -> dict[str, list[str]]:
        """The studies that have each checkpoint as a line or as a reference."""
        studies: dict[str, list[str]] = {}
        for name, lines in self.lines.items():
            for checkpoint in checkpoints_of(lines):
                studies.setdefault(checkpoint, []).append(name)
        return studies

    @cached_property
    def lines_of(self) -> dict[str, list[Line]]:
        """The lines that each checkpoint has in the tables of all configured studies."""
        lines: dict[str, list[Line]] = {}
        for line in itertools.chain.from_iterable(self.lines.values()):
            lines.setdefault(line.checkpoint, []).append(line)
        return lines

    @cached_property
    def roles(self) -> dict[str, set[Role]]:
        """What each checkpoint is, over all configured studies; a reference that is no line of any table is slow."""
        lines = [line for lines in self.lines.values() for line in lines if not is_imported(line.checkpoint)]
        roles: dict[str, set[Role]] = {}
        for line in lines:
            role = Role(line.method) if is_fetched(line.checkpoint) else Role.MERGED
            roles.setdefault(line.checkpoint, set()).add(role)
        for line in lines:
            roles.setdefault(line.reference, {Role.SLOW})
        return roles

    def decoding_of(self, checkpoint: str, decoding: str) -> DecodingEntry:
        """Return a checkpoint's decode settings: what its role and its recipe's method have, devices for its size."""
        if (checkpoint, decoding) not in self._decodings:
            self._decodings[checkpoint, decoding] = self._decoding_of(checkpoint, decoding)
        return self._decodings[checkpoint, decoding]

    def _decoding_of(self, checkpoint: str, decoding: str) -> DecodingEntry:
        made = self.merges.get(checkpoint) or self.trainings.get(checkpoint)
        method = made.recipe.method.method if made else None
        settings = self.registry.decoding(decoding).for_roles(self.roles[checkpoint], method)
        if settings.gpus is not None:
            return settings
        elements = self.elements(checkpoint)
        if elements is None:
            file = self.registry.file("decoding", decoding)
            raise UserError(
                f"{file}: tensor_parallel 'auto' needs to know how large {checkpoint} is: give key 'bytes' in the "
                "entry of its model, or of one that it is merged with, or a number of devices"
            )
        return settings.for_checkpoint(elements, heads=None)

    def elements(self, checkpoint: str) -> int | None:
        """Return how many numbers a checkpoint's weights are, of a merge at most, as far as the configuration tells."""
        if checkpoint in self.merges:
            models = list(self.merges[checkpoint].models.values())
        elif checkpoint in self.trainings:
            models = [self.trainings[checkpoint].model]
        else:
            models = [model_of(checkpoint)]
        sizes = [size for name in models if (size := self._model_bytes.get(name)) is not None]
        # Published weights have 16 bits.
        return max(sizes) // 2 if sizes else None

    @cached_property
    def _model_bytes(self) -> dict[str, int]:
        """The size of each model; where nothing tells it, of one that it is merged with, as shapes are alike."""
        models = {model_of(name) for name in self.checkpoints if is_fetched(name)}
        told = {name: size for name in models if (size := self.registry.model_bytes(name)) is not None}
        sizes = dict(told)
        for together in dict.fromkeys(tuple(merge.models.values()) for merge in self.merges.values()):
            for name in together:
                alike = (told[other] for other in together if other in told)
                if name not in sizes and (size := next(alike, None)) is not None:
                    sizes[name] = size
        return sizes

    def size(self, checkpoint: str) -> int | None:
        """Return the bytes of a checkpoint's stored weights, of a merge at most, as far as the configuration tells."""
        elements, merge = self.elements(checkpoint), self.merges.get(checkpoint)
        in_float32 = merge is not None and merge.recipe.inputs.dtype == "float32"
        return None if elements is None else elements * (4 if in_float32 else 2)

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

    def examples_of(self, checkpoint: str, decoding: str) -> list[tuple[str, str]]:
        """Return the sets of few-shot examples that a checkpoint's prompt shows: (entry of config/examples, set)."""
        few_shot = self.prompt_of(checkpoint, decoding).few_shot
        return [(few_shot.examples, name) for name in sorted(set(self.example_sets(checkpoint, decoding).values()))]

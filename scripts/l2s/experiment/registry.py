"""Registry of ``config/``, each read once and checked with what it refers to."""

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from l2s.calibration.architectures import not_calibrated
from l2s.checkpoints.manifest import GET_AGAIN
from l2s.checkpoints.model_entry import ModelEntry, split_source
from l2s.config import find_entry, read_entry, read_values, suggestion, validate
from l2s.contracts.table import MEAN
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.errors import UserError
from l2s.experiment.pair_entry import PairEntry
from l2s.experiment.schema import Folder, MainConfig
from l2s.experiment.study import Study
from l2s.files import read_json
from l2s.layout import IMPORTS, MODELS, Layout, entry_of, fetched
from l2s.modules import class_in, module_of
from l2s.sources.benchmarks import BenchmarkEntry
from l2s.sources.calibration_data import CalibrationDataEntry
from l2s.sources.examples import ExamplesEntry
from l2s.sources.imports import ImportEntry

Entry = TypeVar("Entry", bound=BaseModel)

STUDY_KINDS, DEFAULT_KIND = "l2s.experiment.studies", "table"


class Registry:
    """The folder of entries, ``config/``. Every method raises a UserError that names the file, key and remedy.

    Args:
        folder: The folder.
        config: The top-level configuration: where benchmarks' files lie, and which entries stand in for others.
    """

    def __init__(self, folder: Path, config: MainConfig) -> None:
        self.folder, self.config = folder, config
        self._found: dict[tuple[Folder, str], Path] = {}
        for kind, stand_ins in config.stand_ins.items():
            for name in (name for names in stand_ins.items() for name in names):
                find_entry(folder / kind, name, f"key 'stand_ins.{kind}' of the configuration")

    def file(self, kind: Folder, name: str) -> Path:
        """Return where an entry lies, or the one that stands in for it."""
        return self.folder / kind / f"{self._stand_in(kind, name)}.yaml"

    def _stand_in(self, kind: Folder, name: str) -> str:
        name = entry_of(name) if kind == "decoding" else name
        return self.config.stand_ins.get(kind, {}).get(name, name)

    def study(self, name: str, asked_by: str) -> Study:
        """Return a study; its key ``kind`` decides what else it may say."""
        file = self._find("studies", name, asked_by)
        values = read_values(file)
        kind = values.get("kind", DEFAULT_KIND) if isinstance(values, dict) else DEFAULT_KIND
        module = module_of(STUDY_KINDS, kind, f"{file}: key 'kind'", "kind of study", "kinds of study")
        return validate(class_in(module, Study), values, str(file)).configured(self.config)

    def model(self, name: str, asked_by: str = "models") -> ModelEntry:
        """Return a model's entry; a local directory must exist. A stand-in keeps the label of the model that it
        stands for, so that tables have the lines that they would have."""
        entry = self._entry("models", name, ModelEntry, asked_by)
        if self._stand_in("models", name) != name:
            label = read_once(self.folder / "models" / f"{name}.yaml", ModelEntry).label
            entry = entry.model_copy(update={"label": label or name})
        file = self.file("models", name)
        for key in ("path", "adapter"):
            folder = getattr(entry, key)
            if folder is not None and not Path(folder).is_dir():
                raise UserError(f"{file}: key '{key}': there is no folder {folder}; put the model there or correct it")
        if entry.over is not None:
            if read_once(self._find("models", entry.over, f"{file}: key 'over'"), ModelEntry).adapter is not None:
                raise UserError(f"{file}: key 'over': '{entry.over}' is an adapter itself; name the model under it")
            self.model(entry.over, f"{file}: key 'over'")
        return entry

    def model_source(self, name: str) -> str:
        """Return a model's source as recipes and manifests name it; of one that is converted, where that is put."""
        entry = self.model(name)
        return Layout(self.config.results).checkpoint(fetched(name)) if entry.is_converted else entry.source

    def model_files(self, name: str) -> list[str]:
        """Return the local files that a model is made of, which must exist; none for a model of the hub."""
        entry = self.model(name)
        self._check_file(entry.gguf, "models", name, "gguf")
        folder = entry.path or entry.adapter
        if folder is None:
            return [entry.gguf] if entry.gguf else []
        return sorted(str(file) for file in Path(folder).iterdir() if file.is_file())

    def model_over(self, name: str) -> list[str]:
        """Return the model under an adapter, in a list of one; an empty list for any other model."""
        over = self.model(name).over
        return [over] if over else []

    def check_calibrated(self, name: str, where: str) -> None:
        """Refuse a local model whose architecture calibration does not know; the hub's are refused when measured."""
        path = self.model(name).path
        if path and (reason := _not_calibrated(Path(path, "config.json"))):
            raise UserError(
                f"{where}: the method reads a calibration of model '{name}', and by {path}/config.json {reason}; "
                "use a method without calibrations"
            )

    def model_bytes(self, name: str) -> int | None:
        """Return the size of a model's weights: as its entry says, or of its local files; None if neither tells."""
        entry = self.model(name)
        if entry.bytes is None and entry.over is not None:
            return self.model_bytes(entry.over)
        if entry.bytes is None and entry.path is not None:
            return sum(file.stat().st_size for file in Path(entry.path).glob("*.safetensors"))
        return entry.bytes

    def pair(self, name: str, asked_by: str) -> PairEntry:
        """Return a pair's entry, its models checked."""
        if name in (MODELS, IMPORTS):
            raise UserError(f"{asked_by}: a pair cannot be called '{name}': other results lie under that name")
        entry = self._entry("pairs", name, PairEntry, asked_by)
        for model in entry.models:
            self.model(model, str(self.file("pairs", name)))
        return entry

    def benchmark(self, name: str, asked_by: str = "benchmarks") -> BenchmarkEntry:
        """Return a benchmark's entry; a local file must exist."""
        if name == MEAN:
            raise UserError(f"{asked_by}: a benchmark cannot be called '{MEAN}': tables use that name")
        entry = self._entry("benchmarks", name, BenchmarkEntry, asked_by)
        if self.config.benchmark_files and entry.source.path is None:
            entry = entry.read_from(self.config.benchmark_files, name)
            if not Path(entry.source.path).is_file():
                missing = f"key 'benchmark_files' of the configuration: there is no file {entry.source.path}"
                raise UserError(f"{missing}; put the benchmark's rows there, or leave out the key to download them")
        self._check_file(entry.source.path, "benchmarks", name)
        if self.config.first_questions:
            first = min(self.config.first_questions, entry.first or entry.rows)
            entry = entry.model_copy(update={"first": first})
        return entry

    def is_cut(self, name: str) -> bool:
        """Say whether ``first_questions`` of the configuration leaves out some of a benchmark's questions."""
        entry = self._entry("benchmarks", name, BenchmarkEntry, "benchmarks")
        return (self.config.first_questions or entry.rows) < (entry.first or entry.rows)

    def calibration_data(self, name: str, asked_by: str = "calibration_data") -> CalibrationDataEntry:
        """Return the entry of calibration data; local files must exist."""
        entry = self._entry("calibration_data", name, CalibrationDataEntry, asked_by)
        for key, path in entry.local_files.items():
            self._check_file(path, "calibration_data", name, key)
        return entry

    def decoding(self, name: str, asked_by: str = "decoding") -> DecodingEntry:
        """Return decode settings by name."""
        return self._entry("decoding", name, DecodingEntry, asked_by)

    def prompt(self, name: str, asked_by: str) -> PromptEntry:
        """Return a prompt; the source of its examples must exist."""
        entry = self._entry("prompts", name, PromptEntry, asked_by)
        if entry.few_shot:
            self.examples(entry.few_shot.examples, str(self.file("prompts", name)))
        return entry

    def example_set(self, prompt: str, benchmark: str) -> str | None:
        """Return the set of few-shot examples that a prompt shows before a benchmark's questions, None if it shows
        none; the set must exist."""
        entry, file = self.prompt(prompt, "prompts"), self.file("benchmarks", benchmark)
        name = entry.set_for(self.benchmark(benchmark).examples, str(file))
        if name is not None and name not in (known := self.examples(entry.few_shot.examples).sets):
            of_prompt = f"{self.file('prompts', prompt)}: key 'few_shot.set'"
            where = of_prompt if entry.few_shot.set else f"{file}: key 'examples'"
            hint = suggestion(name, list(known), f"those of '{entry.few_shot.examples}' are")
            raise UserError(f"{where}: there is no set '{name}'{hint}")
        return name

    def examples(self, name: str, asked_by: str = "examples") -> ExamplesEntry:
        """Return a source of examples; a local file must exist."""
        entry = self._entry("examples", name, ExamplesEntry, asked_by)
        self._check_file(entry.path, "examples", name, "path")
        return entry

    def imported(self, name: str, asked_by: str = "imports") -> ImportEntry:
        """Return an import's entry, its tokenizer as the source of a model; its benchmarks and files must exist."""
        entry = self._entry("imports", name, ImportEntry, asked_by)
        file = str(self.file("imports", name))
        for part in entry.files:
            self.benchmark(part.benchmark, file)
            if not part.paths:
                raise UserError(f"{file}: key 'files': there is no file {part.file}; put it there or correct it")
        if not Path(entry.tokenizer).exists() and isinstance(split_source(entry.tokenizer), Path):
            self.model(entry.tokenizer, f"{file}: key 'tokenizer'")
            entry = entry.model_copy(update={"tokenizer": self.model_source(entry.tokenizer)})
        return entry

    def recipe(self, name: str, asked_by: str) -> tuple[Any, str]:
        """Return the values of a recipe's file, and the file's name for messages."""
        file = self._find("recipes", name, asked_by)
        return read_values(file), str(file)

    def _find(self, kind: Folder, name: str, asked_by: str) -> Path:
        if (kind, name) not in self._found:  # every job of a sweep asks again
            self._found[kind, name] = find_entry(self.folder / kind, self._stand_in(kind, name), asked_by)
        return self._found[kind, name]

    def _entry(self, kind: Folder, name: str, schema: type[Entry], asked_by: str) -> Entry:
        return read_once(self._find(kind, name, asked_by), schema)

    def _check_file(self, path: str | None, kind: Folder, name: str, key: str = "source.path") -> None:
        if path is not None and not Path(path).is_file():
            file = self.file(kind, name)
            raise UserError(f"{file}: key '{key}': there is no file {path}; put it there or correct it")


@cache
def read_once(path: Path, schema: type[Entry]) -> Entry:
    """Read an entry's file once a process."""
    return read_entry(path, schema)


@cache
def _not_calibrated(config: Path) -> str | None:
    """Return what ``not_calibrated`` says of a file, read once a process; None where fetching will find it missing."""
    return not_calibrated(read_json(config, GET_AGAIN)) if config.is_file() else None

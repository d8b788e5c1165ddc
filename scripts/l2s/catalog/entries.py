"""Entries of ``config/``, each read once and checked with what it refers to."""

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from l2s.analysis.names import MEAN
from l2s.catalog.schema import STUDY_KINDS, Study
from l2s.checkpoints.entries import ModelEntry, PairEntry
from l2s.config import find_entry, read_entry, read_yaml, suggestion, validate
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.errors import UserError
from l2s.sources.benchmarks import BenchmarkEntry
from l2s.sources.samples import SamplesEntry

Entry = TypeVar("Entry", bound=BaseModel)

MODELS = "models"  # checkpoints/models/<entry>: fetched models lie by model, not by pair
TAKEN_NAMES = (MODELS, "merges")


class Entries:
    """The folder of entries, ``config/``. Every method raises a UserError that names the file, key and remedy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, kind: str, name: str) -> Path:
        """Return where an entry lies, for messages."""
        return self.folder / kind / f"{name}.yaml"

    def study(self, name: str, asked_by: str) -> Study:
        """Return a study; its key ``kind`` decides what else it may say."""
        file = find_entry(self.folder / "studies", name, asked_by)
        values = read_yaml(file)
        kind = values.get("kind", "table") if isinstance(values, dict) else "table"
        if kind not in STUDY_KINDS:
            hint = suggestion(str(kind), list(STUDY_KINDS), "the kinds are")
            raise UserError(f"{file}: key 'kind': there is no kind of study '{kind}'{hint}")
        return validate(STUDY_KINDS[kind], values, str(file))

    def model(self, name: str, asked_by: str = "models") -> ModelEntry:
        """Return a model's entry; a local directory must exist."""
        entry = self._entry("models", name, ModelEntry, asked_by)
        if entry.path is not None and not Path(entry.path).is_dir():
            file = self.file("models", name)
            raise UserError(f"{file}: key 'path': there is no folder {entry.path}; put the model there or correct it")
        return entry

    def pair(self, name: str, asked_by: str) -> PairEntry:
        """Return a pair's entry, its models checked."""
        if name in TAKEN_NAMES:
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
        self._check_file(entry.source.path, "benchmarks", name)
        return entry

    def samples(self, name: str, asked_by: str = "calibration") -> SamplesEntry:
        """Return a calibration set's entry; a local file must exist."""
        entry = self._entry("calibration", name, SamplesEntry, asked_by)
        self._check_file(entry.source.path, "calibration", name)
        return entry

    def decoding(self, name: str, asked_by: str = "decoding") -> DecodingEntry:
        """Return decode settings by name."""
        return self._entry("decoding", name, DecodingEntry, asked_by)

    def prompt(self, decoding: str) -> PromptEntry:
        """Return the prompt that decode settings name."""
        return self.named_prompt(self.decoding(decoding).prompt, str(self.file("decoding", decoding)))

    def named_prompt(self, name: str, asked_by: str) -> PromptEntry:
        """Return a prompt by its own name."""
        return self._entry("prompts", name, PromptEntry, asked_by)

    def recipe(self, name: str, asked_by: str) -> tuple[Any, str]:
        """Return the values of a recipe's file, and the file's name for messages."""
        file = find_entry(self.folder / "recipes", name, asked_by)
        return read_yaml(file), str(file)

    def _entry(self, kind: str, name: str, schema: type[Entry], asked_by: str) -> Entry:
        return read_once(find_entry(self.folder / kind, name, asked_by), schema)

    def _check_file(self, path: str | None, kind: str, name: str) -> None:
        if path is not None and not Path(path).is_file():
            file = self.file(kind, name)
            raise UserError(f"{file}: key 'source.path': there is no file {path}; put it there or correct it")


@cache
def read_once(path: Path, schema: type[Entry]) -> Entry:
    """Read an entry's file once a process."""
    return read_entry(path, schema)

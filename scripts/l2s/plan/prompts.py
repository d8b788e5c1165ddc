"""The first prompt of every model that is on this machine: its token ids and text, as decoding would have them."""

from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from l2s.checkpoints.model_entry import ModelEntry
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.contracts.examples import EXAMPLES
from l2s.contracts.parquet import read_table
from l2s.contracts.questions import QUESTIONS
from l2s.decoding.prompts import Example, Prompt
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.layout import Layout, is_fetched, model_of
from l2s.plan.checks import Check

TOKENIZER = "tokenizer.json"


def check_prompts(experiment: Experiment) -> Iterator[Check]:
    """Show the first prompt of each fetched model with each of its decode settings, or what is wrong with it.

    Nothing is downloaded: models are passed over whose tokenizer is not on this machine, or for which the results
    folder has no benchmark's questions and few-shot examples yet.
    """
    for checkpoint, decoding in sorted(experiment.asked):
        folder = tokenizer_folder(experiment.registry.model(model_of(checkpoint))) if is_fetched(checkpoint) else None
        benchmark = _loaded_benchmark(experiment, checkpoint, decoding) if folder else None
        if benchmark is None:
            continue
        where = f"{model_of(checkpoint)}, {decoding}, {benchmark}"
        try:
            yield Check(True, f"{where}: {_first_prompt(experiment, checkpoint, decoding, benchmark, folder)}")
        except UserError as error:
            yield Check(False, f"{where}: {error}")


def tokenizer_folder(entry: ModelEntry) -> Path | None:
    """Return the folder with a model's tokenizer; None if it is not on this machine, or not made yet."""
    found = try_to_load_from_cache(entry.repo, TOKENIZER, revision=entry.revision) if entry.repo else None
    path = Path(entry.path) / TOKENIZER if entry.path else found
    return Path(path).parent if isinstance(path, str | Path) and Path(path).is_file() else None


def _loaded_benchmark(experiment: Experiment, checkpoint: str, decoding: str) -> str | None:
    """Return the first benchmark asked of a checkpoint whose questions and examples are there; None if none's are."""
    layout = Layout(experiment.config.results)
    examples = all(Path(layout.examples(*one)).is_file() for one in experiment.examples_of(checkpoint, decoding))
    benchmarks = experiment.asked[checkpoint, decoding] if examples else ()
    return next((name for name in benchmarks if Path(layout.questions(name)).is_file()), None)


def _first_prompt(experiment: Experiment, checkpoint: str, decoding: str, benchmark: str, folder: Path) -> str:
    layout = Layout(experiment.config.results)
    entry = experiment.prompt_of(checkpoint, decoding)
    examples = {}
    if shown := experiment.example_sets(checkpoint, decoding).get(benchmark):
        rows = read_table(Path(layout.examples(entry.few_shot.examples, shown)), EXAMPLES).to_pylist()
        examples = {benchmark: [Example(row["question"], row["answer"]) for row in rows]}
    question = read_table(Path(layout.questions(benchmark)), QUESTIONS)["question"][0].as_py()
    return "; ".join(Prompt(entry, load_tokenizer(folder), examples).describe(benchmark, question).splitlines())

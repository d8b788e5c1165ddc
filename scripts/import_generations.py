"""Import what other tools generated: the rule import_generations, and a command line of its own.

    python scripts/import_generations.py --entry mine --out responses.parquet

By hand, the questions come from the benchmarks' entries under ``config/benchmarks/``.
"""

from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from l2s.checkpoints.model_entry import ModelEntry, split_source
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.config import CONFIG, Named, entry_of_rule, entry_option, find_entry, read_entry
from l2s.contracts.parquet import read_table, table_of, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES, UNKNOWN
from l2s.decoding.session import retokenized
from l2s.decoding.symptoms import CLOSING, OPENING, thinking_closed
from l2s.jobs import run_cli, run_job
from l2s.sources.benchmarks import find_questions
from l2s.sources.imports import ImportEntry, Matched, Question, read_generations
from l2s.sources.tokenizers import tokenizer_folder


def main(
    entry: Annotated[
        Named[ImportEntry],
        typer.Option(
            parser=entry_option("imports", ImportEntry, "--entry"),
            metavar="ENTRY",
            help="The import: name of an entry of config/imports, or a YAML file.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Parquet file of the responses.")],
    questions: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="<path>",
            help="Parquet file of questions; may be repeated. Default: the benchmarks' entries are loaded.",
        ),
    ] = None,
) -> None:
    """Turn files of generations into a table of responses."""
    if questions:
        tables = [read_table(path, QUESTIONS) for path in questions]
    else:
        tables = [find_questions(name, entry.where) for name in entry.entry.benchmarks]
    asked = _by_benchmark(tables)
    tokenizer = load_tokenizer(tokenizer_folder(_source(entry), entry.where))
    rows = [
        imported_response(matched, tokenizer)
        for part in entry.entry.files
        for matched in read_generations(part, asked[part.benchmark], entry.where)
    ]
    write_table(table_of(rows, RESPONSES), out)
    print(f"{out}: {len(rows)} responses")


def imported_response(matched: Matched, tokenizer: Any) -> dict[str, Any]:
    """Return a row of RESPONSES; what the file does not tell is null.

    Its length is the number of tokens that the file has or, if it has none, that the tokenizer makes of the text,
    without special tokens: one less than was generated where a stop token ended the response.
    """
    generation = matched.generation
    text, ids = generation.text, generation.output_ids
    # A prompt that opened the thinking is not in the file.
    opened = OPENING if CLOSING in text and OPENING not in text else ""
    known = generation.response or {
        "text": text,
        "output_ids": ids,
        "output_tokens": len(tokenizer.encode(text, add_special_tokens=False) if ids is None else ids),
        "retokenized": retokenized(tokenizer, text),
        "finish_reason": generation.finish_reason or UNKNOWN,
        "thinking_closed": thinking_closed(opened, text),
    }
    keys = {"benchmark": matched.benchmark, "question_id": matched.question_id, "sample": generation.sample}
    return dict.fromkeys(RESPONSES.names) | known | keys | {"imported_score": generation.score}


def _by_benchmark(tables: list[pa.Table]) -> dict[str, list[Question]]:
    asked: dict[str, list[Question]] = {}
    for row in (row for table in tables for row in table.to_pylist()):
        asked.setdefault(row["benchmark"], []).append(Question(row["question_id"], row["question"]))
    return asked


def _source(entry: Named[ImportEntry]) -> str:
    """Return where the tokenizer is: a rule says it itself, by hand it may be the name of a model's entry."""
    given = entry.entry.tokenizer
    if Path(given).exists() or not isinstance(split_source(given), Path):
        return given
    file = find_entry(CONFIG / "models", given, f"{entry.where}: key 'tokenizer'")
    return read_entry(file, ModelEntry).source


if "snakemake" in globals():
    run_job(
        main,
        snakemake,
        entry=entry_of_rule("imports", ImportEntry, snakemake.wildcards.imported, snakemake.params.entry),
        out=Path(snakemake.output.responses),
        questions=[Path(path) for path in snakemake.input.questions],
    )
elif __name__ == "__main__":
    run_cli(main)

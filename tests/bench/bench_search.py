"""What a search finds on the demo pair, beside random search and the full grid, over ten seeds.

    .venv/bin/python tests/bench/bench_search.py --cache /tmp/grid

decodes every recipe of the space of config/studies/demo_search.yaml once (all 600 questions, some minutes), and then
replays searches on what was decoded, with its rounds and with wider ones. Random search tries as many recipes as the
first, each on all questions of selection; the grid tries all. All end with the same rule.
"""

import json
import random
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Annotated, NamedTuple

import altair as alt
import pandas as pd
import pyarrow as pa
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import decode
import grade
import merge
from l2s.analysis.charts import save_pictures
from l2s.analysis.paired import difference, length_change, verdict
from l2s.config import CONFIG, entry_option, read_yaml
from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table, write_table
from l2s.contracts.responses import RESPONSES
from l2s.decoding.settings import DecodingEntry
from l2s.experiment import Experiment
from l2s.experiment.studies.search import SearchRound, SearchStudy
from l2s.files import digest_of
from l2s.jobs import run_cli
from l2s.merging.engine.recipe import parse_recipe
from l2s.search.candidates import PROPOSED, Candidate
from l2s.search.proposals import Settings, finalists, propose
from l2s.search.space import choices, dotted, filled, identity, normalised
from l2s.search.split import REPORT, part_of
from l2s.search.standing import Round, Standing
from l2s.search.verdict import Progress, progress
from l2s.sources.benchmarks import find_questions

SEEDS = range(10)
# With more candidates than config/studies/demo_search.yaml has, for who has the time.
WIDE = [(24, 24, 0), (30, 24, 8), (40, 24, 8), (60, 16, 8), (100, 8, 8), (None, 0, 8)]
MODELS = {role: f"workflow/resources/demo/{role}" for role in ("quick", "slow")}


class Grid(NamedTuple):
    """What was decoded: of each recipe, by question, whether it is right and how long it is."""

    questions: pa.Table
    slow: pd.DataFrame
    recipes: dict[str, pd.DataFrame]


def every_recipe(items: list[dict]) -> Iterator[dict]:
    """Yield all recipes of a space."""
    for item in items:
        lists = list(choices(item))
        for number in range(prod(len(values) for _, values in lists)):
            picks, rest = {}, number
            for path, values in lists:
                rest, picks[dotted(path)] = divmod(rest, len(values))
            yield normalised(filled(item, picks))


def decoded(model: str, folder: Path) -> pd.DataFrame:
    """Decode and grade all questions with a model, unless that was done before."""
    responses, grades = folder / "responses.parquet", folder / "grades.parquet"
    if not grades.is_file():
        settings = entry_option("decoding", DecodingEntry, "--decoding")("demo")
        decode.main(model, ["demo_arithmetic"], responses, settings)
        write_table(find_questions("demo_arithmetic", ""), folder / "questions.parquet")
        grade.main(responses, grades, questions=[folder / "questions.parquet"], workers=1)
    answered = read_table(responses, RESPONSES).to_pandas().set_index("question_id")
    outcomes = read_table(grades, GRADES).to_pandas().set_index("question_id")["outcome"]
    return pd.DataFrame({"right": (outcomes == "correct").astype(float), "length": answered["output_tokens"]})


def decode_grid(items: list[dict], cache: Path) -> Grid:
    """Merge, decode and grade every recipe of the space, and the slow model."""
    slow = decoded(MODELS["slow"], cache / "slow")
    recipes = {}
    for recipe in every_recipe(items):
        name = identity(recipe)
        folder = cache / digest_of(recipe)[:16]
        if not (folder / "grades.parquet").is_file():
            merge.main(
                parse_recipe({**recipe, "base": MODELS["quick"], "models": [MODELS["slow"]]}, name), folder / "model"
            )
        recipes[name] = decoded(str(folder / "model"), folder)
    return Grid(find_questions("demo_arithmetic", ""), slow, recipes)


def standing(grid: Grid, candidate: Candidate, asked: list[str], allowed: float) -> Standing:
    """Return how a recipe stands on some questions."""
    name = identity(candidate.recipe)
    ours, slow = (frame.loc[asked] for frame in (grid.recipes[name], grid.slow))
    found = difference((ours["right"] - slow["right"]).to_numpy())
    change = length_change(ours["length"].to_numpy(), slow["length"].to_numpy())
    return Standing(
        candidate,
        name,
        name,
        -found.interval.value,
        -found.bounds.low,
        change.value,
        verdict(found.bounds, allowed / 100),
        int(ours["length"].sum()),
    )


def ids(grid: Grid, seed: int, share: float, round_name: str, count: int | None) -> list[str]:
    """Return the ids of a round's questions."""
    return part_of(grid.questions, seed, share, round_name, count)["question_id"].to_pylist()


class Outcome(NamedTuple):
    """What a way to search came to: its rounds, its finalists on the report's questions, responses decoded before."""

    rounds: list[Round]
    finalists: list[Standing]
    responses: int


def search(grid: Grid, settings: Settings, study: SearchStudy, seed: int) -> Outcome:
    """Search as the workflow does."""
    rounds: list[Round] = []
    asked_of: dict[str, int] = {}
    responses = 0
    for number, one in enumerate(study.rounds, start=1):
        asked = ids(grid, seed, study.report_share, str(number), one.questions)
        candidates = propose(settings, rounds, one.proposed, one.kept)
        stands = [standing(grid, candidate, asked, settings.allowed_loss) for candidate in candidates]
        for stand in stands:
            responses += len(asked) - asked_of.get(stand.checkpoint, 0)
            asked_of[stand.checkpoint] = len(asked)
        rounds.append(Round(str(number), len(asked), stands, 0))
    return Outcome(rounds, reported(grid, settings, study, seed, rounds[-1]), responses)


def try_whole(grid: Grid, settings: Settings, study: SearchStudy, seed: int, names: list[str]) -> Outcome:
    """Ask recipes all questions of selection, in this order."""
    asked = ids(grid, seed, study.report_share, "all", None)
    candidates = [Candidate(recipe=json.loads(name), origin=PROPOSED) for name in names]
    stands = [standing(grid, candidate, asked, settings.allowed_loss) for candidate in candidates]
    only = Round("all", len(asked), stands, 0)
    return Outcome([only], reported(grid, settings, study, seed, only), len(asked) * len(stands))


def reported(grid: Grid, settings: Settings, study: SearchStudy, seed: int, last: Round) -> list[Standing]:
    """Return how the finalists of a last round stand on the report's questions."""
    asked = ids(grid, seed, study.report_share, REPORT, None)
    chosen = finalists(settings, last, study.finalists)
    return [standing(grid, candidate, asked, settings.allowed_loss) for candidate in chosen]


def result(stands: list[Standing]) -> Standing | None:
    """Return the last finalist that is shown before the first that is not."""
    passed = None
    for stand in stands:
        if stand.verdict != "shown":
            break
        passed = stand
    return passed


def ways_of(grid: Grid, settings: Settings, study: SearchStudy, seed: int) -> dict[str, Outcome]:
    """Return the outcomes of each way."""
    shuffled = sorted(grid.recipes)
    random.Random(seed).shuffle(shuffled)
    tries = sum(one.proposed for one in study.rounds)
    keys = SearchRound.model_fields
    wide = tuple(SearchRound(**dict(zip(keys, values, strict=True))) for values in WIDE)
    return {
        "search": search(grid, settings, study, seed),
        "wide search": search(grid, settings, study.model_copy(update={"rounds": wide}), seed),
        "random": try_whole(grid, settings, study, seed, shuffled[:tries]),
        "grid": try_whole(grid, settings, study, seed, shuffled),
    }


def steps(curve: list[Progress]) -> Iterator[tuple[int, float]]:
    """Yield tokens and change in length %, where the best so far changes, and at the end."""
    known = [one for one in curve if one.length_change is not None]
    for before, one, after in zip([None, *known], known, [*known[1:], None], strict=False):
        if before is None or after is None or before.length_change != one.length_change:
            yield one.tokens, 100 * one.length_change


def curves_chart(curves: pd.DataFrame) -> alt.Chart:
    """Return the best so far against decoded tokens, a line for each seed."""
    return (
        alt.Chart(curves)
        .mark_line(interpolate="step-after", opacity=0.6, clip=True)
        .encode(
            x=alt.X("tokens:Q", title="tokens decoded in selection", scale=alt.Scale(type="log")),
            y=alt.Y("length:Q", title="change in length % of the best so far", scale=alt.Scale(domain=[-70, -60])),
            color=alt.Color("way:N", title=None, sort=["search", "wide search", "random", "grid"]),
            detail="seed:N",
        )
        .properties(width=520, height=260)
    )


def main(
    cache: Annotated[Path, typer.Option(help="Folder of what was merged and decoded.")],
    study: Annotated[str, typer.Option(help="Entry of config/studies, a search of the demo pair.")] = "demo_search",
) -> None:
    """Compare search, random search and grid on the demo pair."""
    experiment = Experiment({**read_yaml(CONFIG / "demo_search.yaml"), "results": str(cache / "none")}, CONFIG)
    entry = experiment.studies[study]
    items = entry.items(study, experiment.registry)
    plain = [normalised(recipe) for recipe in entry.plain_recipes(study, experiment.registry)]
    grid = decode_grid(items, cache)
    rows, points = [], []
    for seed in SEEDS:
        settings = Settings(items, plain, seed, entry.allowed_loss)
        for way, outcome in ways_of(grid, settings, entry, seed).items():
            best, curve = result(outcome.finalists), list(progress(outcome.rounds, entry.allowed_loss))
            row = {"way": way, "seed": seed, "responses": outcome.responses, "tokens": curve[-1].tokens}
            if best:
                row |= {"length %": 100 * best.length_change, "points lost": 100 * best.loss, "recipe": best.label}
            rows.append(row)
            points += [{"way": way, "seed": seed, "tokens": at, "length": best} for at, best in steps(curve)]
    frame = pd.DataFrame(rows)
    frame.to_csv(cache / "compared.csv", index=False)
    save_pictures(curves_chart(pd.DataFrame(points)), cache / "curves")
    print(frame.drop(columns="recipe").to_string(index=False))
    shown = frame.groupby("way", sort=False)["length %"]
    print(shown.agg(["count", "median", "min", "max"]).to_string())


if __name__ == "__main__":
    run_cli(main)

"""What a round asks: the best of the last round, and new recipes, half of them beside the best so far, the others
proposed by Optuna from all rounds before.

Recipes beside the best, one step away in one value, are there because good settings often lie on a narrow ridge, which
a sampler that models the whole space finds only after many more trials. Optuna's study is made anew for each round from
the tables of the rounds before, so that the same tables and seed give the same proposals, whatever was interrupted in
between. Its trials are written beside the candidates.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from l2s.search.candidates import BESIDE, FINALIST, KEPT, PLAIN, PROPOSED, Candidate
from l2s.search.space import Picks, Recipe, choices, dotted, filled, find, identity, normalised, size
from l2s.search.standing import Round, Standing, front, latest, ranked

if TYPE_CHECKING:
    import optuna

ITEM = "item"
MOST_ASKED = 50  # times that Optuna is asked for each new recipe; it may name one that is known


class Settings(NamedTuple):
    """What proposals follow from.

    Attributes:
        items: The space: recipes in which a list stands in place of a value.
        plain: Recipes that are tried first: as the paper has them.
        seed: Of Optuna's sampler.
        allowed_loss: In points of accuracy.
    """

    items: list[Recipe]
    plain: list[Recipe]
    seed: int
    allowed_loss: float


def propose(settings: Settings, rounds: list[Round], proposed: int, kept: int) -> list[Candidate]:
    """Return the candidates of the next round: the best of the last one, then new ones.

    Args:
        settings: The search's.
        rounds: All rounds before.
        proposed: How many new recipes are tried; fewer, if the space has no more.
        kept: How many of the last round's are asked again; fewer, if fewer are not refuted.
    """
    asked = [one for played in rounds for one in played.standings]
    known = {identity(one.candidate.recipe) for one in asked}
    survivors = ranked(rounds[-1].standings, settings.allowed_loss)[:kept] if rounds else []
    again = [one.candidate.model_copy(update={"origin": KEPT}) for one in survivors]
    plain = [] if rounds else [_plain(recipe, settings.items) for recipe in settings.plain]
    known |= {identity(one.recipe) for one in plain}
    told = latest(rounds)
    room = max(0, proposed - len(plain))
    beside = _beside(settings, ranked(told, settings.allowed_loss), known, room // 2)
    return [*again, *plain, *beside, *_new(settings, told, known, room - len(beside), len(rounds))]


def finalists(settings: Settings, last: Round, count: int) -> list[Candidate]:
    """Return which candidates are asked the report's questions, in the order in which they are tested.

    They are the best of the last round that no other one beats in loss and length, the one that lost least first: a
    test in a fixed order needs no correction for their number as long as it ends with the first that fails.

    Args:
        settings: The search's.
        last: The last round of selection.
        count: How many at most.
    """
    best = front(ranked(last.standings, settings.allowed_loss)[:count])
    order = sorted(best, key=lambda one: (one.loss, -one.length_change))
    return [one.candidate.model_copy(update={"origin": FINALIST}) for one in order]


def _plain(recipe: Recipe, items: list[Recipe]) -> Candidate:
    item, picks = find(recipe, items) or (None, {})
    return Candidate(recipe=normalised(recipe), origin=PLAIN, item=item, picks=picks)


def _beside(settings: Settings, best: list[Standing], known: set[str], count: int) -> list[Candidate]:
    """Return recipes that differ from one of the best by one step in one value, the best's first; adds to ``known``."""
    found: list[Candidate] = []
    for one in best:
        for picks in _steps(one.candidate, settings.items):
            recipe = normalised(filled(settings.items[one.candidate.item], picks))
            if len(found) < count and identity(recipe) not in known:
                known.add(identity(recipe))
                found.append(Candidate(recipe=recipe, origin=BESIDE, item=one.candidate.item, picks=picks))
    return found


def _steps(candidate: Candidate, items: list[Recipe]) -> Iterator[Picks]:
    """Yield the picks one step down and up in each list whose values lie on a line; none outside the space."""
    if candidate.item is None:
        return
    for path, values in choices(items[candidate.item]):
        for step in (-1, 1) if _ordered(dotted(path), values) else ():
            index = candidate.picks[dotted(path)] + step
            if 0 <= index < len(values):
                yield {**candidate.picks, dotted(path): index}


def _new(settings: Settings, told: list[Standing], known: set[str], count: int, round_number: int) -> list[Candidate]:
    if not settings.items or not count:
        return []
    study = optuna_study(settings, told, round_number)
    found: list[Candidate] = []
    for _ in range(MOST_ASKED * count):
        if len(found) == count:
            break
        trial = study.ask()
        item = _suggest(trial, ITEM, list(range(len(settings.items))))
        picks = {
            dotted(path): _suggest(trial, f"{item}.{dotted(path)}", values)
            for path, values in choices(settings.items[item])
        }
        recipe = normalised(filled(settings.items[item], picks))
        if identity(recipe) not in known:
            known.add(identity(recipe))
            found.append(Candidate(recipe=recipe, origin=PROPOSED, item=item, picks=picks))
    return found


def optuna_study(settings: Settings, told: Iterable[Standing], round_number: int) -> optuna.Study:
    """Return Optuna's study with a trial for each candidate that was asked before.

    Its objectives are the difference in accuracy and the change of length against the slow model, its constraint that
    no more is lost than allowed. The sampler is TPE, seeded with the search's seed and the round's number.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # One startup trial: it draws at random as long as it has been told of none.
        sampler = optuna.samplers.TPESampler(
            seed=settings.seed + 1000 * round_number,
            multivariate=True,
            group=True,
            n_startup_trials=1,
        )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    for one in told:
        if one.candidate.item is not None:
            study.add_trial(_trial(one, settings))
    return study


def _trial(one: Standing, settings: Settings) -> optuna.trial.FrozenTrial:
    import optuna

    item = one.candidate.item
    params, distributions = {ITEM: item}, {ITEM: _distribution(ITEM, list(range(len(settings.items))))}
    for path, values in choices(settings.items[item]):
        name = f"{item}.{dotted(path)}"
        params[name], distributions[name] = one.candidate.picks[dotted(path)], _distribution(name, values)
    return optuna.trial.create_trial(
        values=[-one.loss, one.length_change],
        params=params,
        distributions=distributions,
        constraints={"loss": one.loss - settings.allowed_loss / 100},
        user_attrs={"recipe": one.candidate.recipe, "verdict": one.verdict},
    )


def _ordered(name: str, values: Sequence[Any]) -> bool:
    """Say whether a list's values lie on a line, so that its neighbours are alike."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return name != ITEM and numbers and list(values) == sorted(values)


def _distribution(name: str, values: Sequence[Any]) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if _ordered(name, values):
        return IntDistribution(0, len(values) - 1)
    return CategoricalDistribution(list(range(len(values))))


def _suggest(trial: optuna.Trial, name: str, values: Sequence[Any]) -> int:
    if _ordered(name, values):
        return trial.suggest_int(name, 0, len(values) - 1)
    return trial.suggest_categorical(name, list(range(len(values))))


def trials_of(settings: Settings, rounds: list[Round]) -> str:
    """Return what Optuna is told for the next round, as JSON Lines: parameters, objectives, constraint, recipe."""
    study = optuna_study(settings, latest(rounds), len(rounds))
    lines = (
        {
            "number": trial.number,
            "params": trial.params,
            "accuracy_difference": trial.values[0],
            "length_change": trial.values[1],
            "constraints": trial.constraints,
            **trial.user_attrs,
        }
        for trial in study.trials
    )
    return "".join(f"{json.dumps(line, sort_keys=True)}\n" for line in lines)


def grid_size(items: Iterable[Recipe]) -> int:
    """Return how many recipes the whole space has."""
    return sum(map(size, items))

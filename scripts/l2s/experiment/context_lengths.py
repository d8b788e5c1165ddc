"""Context lengths and budgets: at which ones responses are read, and where the one rules out the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from l2s.layout import is_imported, model_of

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment


def readings(experiment: Experiment, checkpoint: str, decoding: str, lengths: Iterable[int]) -> list[int]:
    """Return at which of these context lengths a checkpoint's responses are read besides: a merge's, if it has more.

    Args:
        experiment: The experiment.
        checkpoint: A checkpoint that is decoded in it.
        decoding: The decode settings.
        lengths: The context lengths that a study asks for.
    """
    if checkpoint not in experiment.merges:
        return []
    longest = _context_length(experiment, checkpoint, decoding)
    return [length for length in lengths if longest is None or length < longest]


def read_at(experiment: Experiment, checkpoint: str, decoding: str) -> list[int]:
    """Return the context lengths at which the studies read a checkpoint's responses besides; none if not merged."""
    return readings(experiment, checkpoint, decoding, _asked(experiment, checkpoint, decoding, "read_at"))


def within_budget(experiment: Experiment, checkpoint: str, decoding: str, budgets: Iterable[int]) -> list[int]:
    """Return at which of these budgets a checkpoint's responses can be read: those no larger than its own.

    Args:
        experiment: The experiment.
        checkpoint: A checkpoint that is decoded in it.
        decoding: The decode settings.
        budgets: The budgets that a study asks for, in generated tokens.
    """
    own = experiment.decoding_of(checkpoint, decoding).max_new_tokens
    return [budget for budget in budgets if budget <= own]


def budgets(experiment: Experiment, checkpoint: str, decoding: str) -> list[int]:
    """Return the budgets at which the studies read a checkpoint's responses besides."""
    return within_budget(experiment, checkpoint, decoding, _asked(experiment, checkpoint, decoding, "budgets"))


def _asked(experiment: Experiment, checkpoint: str, decoding: str, key: str) -> list[int]:
    """Return what the studies say under a key that have a checkpoint as a line or as a reference, in order."""
    studies = [experiment.studies[name] for name in experiment.studies_of.get(checkpoint, ())]
    # Only studies with a table have readings.
    return sorted(set().union(*(getattr(study, key, ()) for study in studies if decoding in study.decodings)))


def unreachable_budget(experiment: Experiment, checkpoint: str, decoding: str) -> str | None:
    """Say that a checkpoint's responses can never use up their budget, if its context length is too short for it.

    Args:
        experiment: The experiment.
        checkpoint: A checkpoint that is decoded in it.
        decoding: The decode settings.

    Returns:
        A sentence; None if the budget can be reached, or if the entries do not tell the context length.
    """
    settings = experiment.decoding_of(checkpoint, decoding)
    length = _context_length(experiment, checkpoint, decoding)
    # A prompt has at least one token.
    if length is None or length > settings.max_new_tokens:
        return None
    return (
        f"{_name(experiment, checkpoint)}: prompt and response share a context length of {length:,} tokens, so that no "
        f"response can use up the budget of {settings.max_new_tokens:,} tokens."
    )


def unreachable_budgets(experiment: Experiment, study: str) -> list[str]:
    """Return what ``unreachable_budget`` says of a study's lines, each sentence once."""
    decoding = experiment.studies[study].decoding
    decoded = [line.checkpoint for line in experiment.lines[study] if not is_imported(line.checkpoint)]
    said = [unreachable_budget(experiment, checkpoint, decoding) for checkpoint in decoded]
    return [sentence for sentence in dict.fromkeys(said) if sentence]


def _name(experiment: Experiment, checkpoint: str) -> str:
    """Return what tables call a checkpoint."""
    made = experiment.merges.get(checkpoint) or experiment.trainings.get(checkpoint)
    if made:
        return made.label
    model = model_of(checkpoint)
    return experiment.registry.model(model).label or model


def _context_length(experiment: Experiment, checkpoint: str, decoding: str) -> int | None:
    """Return the context length that a checkpoint is decoded with, None if the entries do not tell."""
    model = _whose_context_length(experiment, checkpoint)
    settings = experiment.decoding_of(checkpoint, decoding)
    return settings.context_length or experiment.registry.model(model).context_length


def _whose_context_length(experiment: Experiment, checkpoint: str) -> str:
    """Return the entry of the model whose config a checkpoint has."""
    if checkpoint in experiment.trainings:
        return experiment.trainings[checkpoint].model
    if checkpoint in experiment.merges:
        merge = experiment.merges[checkpoint]
        inputs = merge.recipe.inputs
        sources = [source for source in (inputs.base, *inputs.models) if source]
        return merge.models[sources[0 if merge.recipe.released else -1]]
    return model_of(checkpoint)

"""Context lengths: at which ones responses are read, and where one is shorter than the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l2s.layout import is_fetched, model_of

if TYPE_CHECKING:
    from l2s.experiment.experiment import Experiment


def read_at(experiment: Experiment, checkpoint: str, decoding: str) -> list[int]:
    """Return the context lengths at which the studies read a checkpoint's responses besides; none if not merged."""
    if checkpoint not in experiment.merges:
        return []
    studies = [
        experiment.studies[name]
        for name, lines in experiment.lines.items()
        if any(line.checkpoint == checkpoint for line in lines)
    ]
    # Only studies with a table have readings.
    asked = [getattr(study, "read_at", ()) for study in studies if decoding in study.decodings]
    return sorted(set().union(*asked))


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
    model = _whose_context_length(experiment, checkpoint)
    length = settings.context_length or experiment.registry.model(model).context_length
    # A prompt has at least one token.
    if length is None or length > settings.max_new_tokens:
        return None
    name = experiment.registry.model(model).label or model if is_fetched(checkpoint) else checkpoint
    return (
        f"{name}: prompt and response share a context length of {length:,} tokens, so that no response can use up the "
        f"budget of {settings.max_new_tokens:,} tokens."
    )


def unreachable_budgets(experiment: Experiment, study: str) -> list[str]:
    """Return what ``unreachable_budget`` says of a study's lines, each sentence once."""
    decoding = experiment.studies[study].decoding
    said = [unreachable_budget(experiment, line.checkpoint, decoding) for line in experiment.lines[study]]
    return [sentence for sentence in dict.fromkeys(said) if sentence]


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

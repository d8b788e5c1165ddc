"""Jobs that need a GPU, and which key says so."""

from collections import Counter
from collections.abc import Iterable, Mapping

from l2s.experiment import Experiment
from l2s.experiment.ahead import AHEAD, DECODE


def gpu_needs(experiment: Experiment, jobs: Iterable[tuple[str, Mapping[str, str]]]) -> list[str]:
    """Say which key makes jobs need a GPU and what to write instead, a sentence for each key.

    Args:
        experiment: The experiment.
        jobs: Rule and wildcards of each job.
    """
    reasons = Counter(
        (rule, reason) for rule, wildcards in jobs if (reason := _reason(experiment, rule, wildcards)) is not None
    )
    return [
        f"{rule}: {count} {'job needs' if count == 1 else 'jobs need'} a GPU, {reason}"
        for (rule, reason), count in reasons.items()
    ]


def _reason(experiment: Experiment, rule: str, wildcards: Mapping[str, str]) -> str | None:
    if rule in (DECODE, AHEAD):
        name = wildcards["decoding"]
        file = f"config/decoding/{experiment.registry.file('decoding', name).name}"
        generates = experiment.decodes(rule, wildcards["checkpoint"], name)
        asks = experiment.registry.decoding(name).device == "cuda" and generates
        return f"as {file} says 'device: cuda'; 'decoding: cpu' in study or configuration needs none" if asks else None
    if rule == "calibrate":
        asks = experiment.config.calibration_device == "cuda"
        return "as the configuration says 'calibration_device: cuda'; leave the key out or say cpu" if asks else None
    if rule == "merge":
        asks = experiment.config.merge_device == "cuda"
        return "as the configuration says 'merge_device: cuda'; leave the key out or say cpu" if asks else None
    if rule == "train":
        trained = experiment.trainings["/".join(wildcards[part] for part in ("pair", "method", "recipe"))]
        asks = trained.recipe.method.device == "cuda"
        return f"as the recipe of {wildcards['pair']}/{trained.label} says 'device: cuda'; say cpu" if asks else None
    return None

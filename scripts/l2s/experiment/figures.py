"""Whether a study can draw its figures, as far as the configuration tells: known before anything is decoded.

The figures' own modules are not loaded: they need altair and pandas, which take longer than a dry run.
"""

from itertools import combinations
from pathlib import Path

from l2s.analysis.names import dotted
from l2s.config import suggestion
from l2s.errors import UserError
from l2s.experiment.registry import Registry
from l2s.experiment.study import Line

FOLDER = Path(__file__).resolve().parents[1] / "analysis" / "figures"


def check_figures(study, lines: list[Line], where: str, registry: Registry) -> None:
    """Check that a study's figures exist, and that the study has what they show.

    Raises:
        UserError: Names the figure and what it needs.
    """
    known = [file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__"]
    for figure in study.figures:
        if figure not in known:
            raise UserError(f"{where}: unknown figure '{figure}'{suggestion(figure, known, 'the figures are')}")
    if "radar" in study.figures and len(study.benchmarks) < 3:
        raise UserError(f"{where}: figure 'radar' needs at least three benchmarks; name more in key 'benchmarks'")
    if "by_level" in study.figures and not any(registry.benchmark(name).level for name in study.benchmarks):
        raise UserError(f"{where}: figure 'by_level': no benchmark of the study has levels; name one that has")
    if "sweep" in study.figures and not any(_sweep(*two) for two in combinations(lines, 2)):
        raise UserError(
            f"{where}: figure 'sweep': no two recipes of a pair and method differ in one hyper-parameter alone; give "
            "one a list or a range in key 'recipes'"
        )


def _sweep(one: Line, other: Line) -> bool:
    """Say whether two lines are points of one sweep."""
    first, second = dotted(one.hyper_parameters), dotted(other.hyper_parameters)
    differing = [key for key in first.keys() | second.keys() if first.get(key) != second.get(key)]
    return (one.pair, one.method) == (other.pair, other.method) and len(differing) == 1

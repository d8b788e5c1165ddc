"""What lies in a results folder that no configured study uses."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from l2s.checkpoints.manifest import read_manifest
from l2s.decoding.store import ID_DIGITS
from l2s.experiment import Experiment
from l2s.grading.grades import grader_module, grader_names
from l2s.grading.store import store_name
from l2s.layout import ANSWERS, IMPORTED, SHARDS, TRAININGS, VERDICTS, Layout, is_imported

# Where things that cost time are kept. Questions, tables, logs and the like are small, and stay.
AREAS = ("checkpoints", "calibrations", "responses", "ahead", "grades", SHARDS, "scratch", "store")


def unused_paths(experiment: Experiment, layout: Layout) -> list[Path]:
    """Return what no configured study uses and what killed jobs left, sorted; no path lies below another.

    Kept responses go by the content of their checkpoint. While the manifest of a configured checkpoint is not there
    (its job was killed, or has not run), nobody knows whose they are, and all of them are in use.
    """
    used = set(map(_without_suffix, _used_paths(experiment, layout)))
    above = {parent for path in used for parent in path.parents}
    return [path for area in AREAS for path in _unused_below(Path(layout.results, area), used, above)]


def _used_paths(experiment: Experiment, layout: Layout) -> Iterator[Path]:
    for checkpoint in experiment.checkpoints:
        yield Path(layout.checkpoint(checkpoint))
    yield from _stores_in_use(experiment, layout)
    for name in experiment.calibrations:
        yield Path(layout.calibration(name))
    verdicts = [store_name(grader_module(name, "grader")) for name in grader_names()]  # not those of earlier code
    imports = [(name, IMPORTED) for name in experiment.studies_of if is_imported(name)]
    for checkpoint, decoding in [*experiment.asked, *imports]:
        yield Path(layout.responses(checkpoint, decoding))
        yield Path(layout.shard(checkpoint, decoding))
        yield Path(layout.grades(checkpoint, decoding, "any")).parent
        yield from (Path(layout.verdicts(checkpoint, decoding), name) for name in verdicts)
    for (_, decoding), ahead in experiment.ahead.items():
        yield from (Path(layout.ahead(ahead.checkpoints[0], decoding, name)) for name in ahead.names)
    yield from (Path(layout.answers, name) for name in verdicts)
    # Adapters are dear: what trainings keep stays.
    yield Path(layout.store, TRAININGS)


def _stores_in_use(experiment: Experiment, layout: Layout) -> Iterator[Path]:
    manifests = [Path(layout.manifest(checkpoint)) for checkpoint in experiment.checkpoints]
    if all(manifest.is_file() for manifest in manifests):
        yield from (Path(layout.store, read_manifest(manifest).content_id[:ID_DIGITS]) for manifest in manifests)
    else:
        yield from (folder for folder in _entries(Path(layout.store)) if folder.name not in (ANSWERS, VERDICTS))


def _unused_below(folder: Path, used: set[Path], above: set[Path]) -> Iterator[Path]:
    """Yield the topmost paths below a folder that are not in use and hold nothing that is."""
    for path in _entries(folder):
        if path in above and path not in used:
            yield from _unused_below(path, used, above)
        elif path not in used and not (path.is_file() and _without_suffix(path) in used):
            yield path


def _entries(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else ()


def _without_suffix(path: Path) -> Path:
    """Return a file's path without its suffix, by which data and what describes it belong together.

    Names of folders hold dots of their own (``scale=0.7~1a2b3c4d``); only these files' suffixes are cut.
    """
    return path.with_suffix("") if path.suffix in (".js", ".json", ".parquet", ".safetensors") else path

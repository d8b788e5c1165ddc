"""The crate's graph: a thin hold on the rocrate library, and the entities of what a run reads from outside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from l2s.checkpoints.manifest import read_manifest
from l2s.crate.surroundings import benchmarks_of, models_of
from l2s.experiment import Experiment
from l2s.layout import Layout, fetched

if TYPE_CHECKING:
    from rocrate.model import Entity

WORKFLOW_RUN = "https://w3id.org/ro/terms/workflow-run"
PROFILES = [
    *(f"https://w3id.org/ro/wfrun/{kind}/0.5" for kind in ("process", "workflow", "provenance")),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
]
LICENCE = "#licence"
WORKFLOW_TYPES = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]


class Graph:
    """A crate to be filled.

    Attributes:
        crate: The crate of the rocrate library.
        files: The files in it, by path relative to the results folder.

    Args:
        name: The crate's.
    """

    def __init__(self, name: str) -> None:
        # Imported here, as it takes a fifth of a second, and a dry run loads this module.
        from rocrate.rocrate import ROCrate

        # The profile is written for version 1.1 of the format.
        self.crate = ROCrate(version="1.1")
        self.crate.metadata.extra_contexts.append(f"{WORKFLOW_RUN}/context")
        self.crate.metadata.extra_terms["headerSha256"] = "https://w3id.org/ro/terms/long2short#headerSha256"
        self.files: dict[str, Entity] = {}
        for profile in PROFILES:
            self.add(profile, "CreativeWork", name=profile.split("org/", 1)[1], version=profile.rsplit("/", 1)[1])
        self.add(
            LICENCE,
            "CreativeWork",
            name="licences",
            description="The workflow is under Apache-2.0. Weights, questions and what models wrote are subject to "
            "the licences of the models and benchmarks that they come from.",
        )
        root = self.crate.root_dataset
        root["name"] = name
        root["description"] = "Results of a run, with every file's digest and the jobs that made it."
        root["license"] = self.to(LICENCE)
        root["conformsTo"] = self.to(*PROFILES)

    def add(self, name_in_graph: str, kind: str, /, **properties: Any) -> None:
        """Add an entity that is no file of the crate; empty properties are left out."""
        from rocrate.model import ContextEntity

        given = {key: value for key, value in properties.items() if value not in (None, [], "")}
        self.crate.add(ContextEntity(self.crate, name_in_graph, {"@type": kind, **given}))

    def file(self, path: str, properties: dict[str, Any]) -> None:
        """Add a file of the results folder."""
        self.files[path] = self.crate.add_file(dest_path=path, properties=properties)

    def workflow(self, path: str, properties: dict[str, Any]) -> None:
        """Say of a file that was added with WORKFLOW_TYPES that it is the workflow."""
        file = self.files[path]
        self.add("#language", "ComputerLanguage", name="Snakemake", url="https://snakemake.github.io")
        for key, value in {**properties, "programmingLanguage": self.to("#language")}.items():
            file[key] = value
        self.crate.mainEntity = file

    def to(self, *names: str) -> list[dict[str, str]]:
        """Return references to entities; a name that is a path of a file means the file."""
        return [{"@id": self.files[name].id if name in self.files else name} for name in names]


def source_entities(graph: Graph, experiment: Experiment, results: Path) -> dict[str, str]:
    """Add what the run reads from outside; return the entities by the names of the jobs that read them."""
    layout, registry = Layout(str(results)), experiment.registry
    read: dict[str, str] = {}
    for name in models_of(experiment):
        manifest = Path(layout.manifest(fetched(name)))
        known = read_manifest(manifest).content_id if manifest.is_file() else None
        entry = registry.model(name).model_dump(mode="json")
        read[f"fetch_model/{name}"] = _add_source(graph, "models", name, entry, known)
    for name in benchmarks_of(experiment):
        entry = registry.benchmark(name).model_dump(mode="json")
        read[f"load_questions/{name}"] = _add_source(graph, "benchmarks", name, entry, entry["sha256"])
    return read


def _add_source(graph: Graph, kind: str, name: str, entry: dict[str, Any], digest: str | None) -> str:
    """Add a model or benchmark; ``digest`` is its content_id or the sha256 of its questions."""
    place = entry.get("source", entry)
    hub = "https://huggingface.co/" + ("datasets/" if kind == "benchmarks" else "")
    address = f"{hub}{place['repo']}" if place.get("repo") else place.get("url")
    graph.add(
        f"#{kind}/{name}",
        "CreativeWork",
        name=f"{kind}/{name}",
        url=address,
        version=place.get("revision"),
        description=None if address else f"local: {place.get('path')}",
        identifier=digest and f"sha256:{digest}",
        license=entry.get("licence"),
    )
    return f"#{kind}/{name}"

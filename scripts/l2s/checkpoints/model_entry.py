"""Configuration of models (``config/models/``)."""

import re
from pathlib import Path

from pydantic import Field, model_validator

from l2s.config import StrictModel

COMMIT = re.compile(r"[0-9a-f]{40}")


class ModelEntry(StrictModel):
    """A model: a repository of the hub at a pinned revision, a local directory, a GGUF file, or a LoRA adapter."""

    repo: str | None = Field(None, description="hub repository, owner/name")
    revision: str | None = Field(None, description="the commit of that repository: 40 hex digits, no branch or tag")
    path: str | None = Field(None, description="local directory, relative to the project or absolute")
    gguf: str | None = Field(
        None,
        pattern=r"\.gguf$",
        description="local GGUF file, relative to the project or absolute; its weights are dequantised to bfloat16",
    )
    adapter: str | None = Field(
        None, description="local folder of a LoRA adapter in PEFT's format, which is merged into the weights of 'over'"
    )
    over: str | None = Field(None, description="entry of the model that the adapter belongs to")
    content_id: str | None = Field(None, description="if given, what is fetched must have this content_id")
    bytes: int | None = Field(None, gt=0, description="if given, its tensors must have so many bytes together")
    context_length: int | None = Field(
        None, gt=0, description="if given, its config must have this max_position_embeddings"
    )
    tied: bool | None = Field(None, description="if given, whether it must lack an lm_head.weight")
    label: str | None = Field(None, description="how tables name the model; the entry's name if absent")
    licence: str | None = Field(None, description="SPDX identifier of the weights' licence")

    @model_validator(mode="after")
    def _one_source(self) -> "ModelEntry":
        if [self.repo, self.path, self.gguf, self.adapter].count(None) != 3 or (self.adapter is None) != (
            self.over is None
        ):
            raise ValueError("give either 'repo' and 'revision', or 'path', or 'gguf', or 'adapter' and 'over'")
        if self.repo is not None and not COMMIT.fullmatch(self.revision or ""):
            raise ValueError(
                f"'revision' must be a commit of {self.repo} (40 hex digits), found {self.revision!r}; "
                "a branch or tag may move, so copy the commit from the repository's history"
            )
        return self

    @classmethod
    def of(cls, source: str, content_id: str | None = None) -> "ModelEntry":
        """Return the entry of a model given by its source: ``repo@revision``, or a local directory."""
        place = split_source(source)
        if isinstance(place, Path):
            return cls(path=source, content_id=content_id)
        return cls(repo=place[0], revision=place[1], content_id=content_id)

    @property
    def source(self) -> str:
        """The model in one word: ``repo@revision``, or the local directory, GGUF file or adapter."""
        return f"{self.repo}@{self.revision}" if self.repo else str(self.path or self.gguf or self.adapter)

    @property
    def is_converted(self) -> bool:
        """Whether its weights are made here from what the entry names, and lie beside its manifest."""
        return self.gguf is not None or self.adapter is not None


def split_source(source: str) -> tuple[str, str] | Path:
    """Return a source as (repository, revision), or as the path of a local directory."""
    repo, mark, revision = source.rpartition("@")
    return (repo, revision) if mark and COMMIT.fullmatch(revision) else Path(source)

"""Configuration of pairs (``config/pairs/``)."""

from pydantic import Field, model_validator

from l2s.config import StrictModel


class PairEntry(StrictModel):
    """A pair: the quick model, the slow models, the base of the task vectors, and the reference of lengths."""

    quick: str | None = Field(None, description="the quick model's entry; absent where only slow models are merged")
    slow: tuple[str, ...] = Field(min_length=1, description="the slow models' entries")
    base: str | None = Field(None, description="what task vectors are taken from; the quick model if absent")
    reference: str | None = Field(None, description="what lengths are compared with; the first slow model if absent")

    @model_validator(mode="after")
    def _different_models(self) -> "PairEntry":
        merged = [name for name in (self.quick, *self.slow) if name]
        if len(set(merged)) < len(merged):
            raise ValueError("'quick' and 'slow' name a model more than once")
        return self

    @property
    def base_model(self) -> str | None:
        """The base's entry, or None if the pair has neither base nor quick model."""
        return self.base or self.quick

    @property
    def reference_model(self) -> str:
        """The entry of the model that lengths are compared with."""
        return self.reference or self.slow[0]

    @property
    def models(self) -> tuple[str, ...]:
        """Every entry named, once each: quick, slow, base, reference."""
        names = (self.quick, *self.slow, self.base, self.reference)
        return tuple(dict.fromkeys(name for name in names if name))

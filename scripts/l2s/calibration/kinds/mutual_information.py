"""Mutual information of two models' activations, by module and text (ACM, arXiv 2505.14009).

Both models read the same tokens. Of the embedding, each layer's down_proj, the final norm and the output layer, all
outputs of a text, one for each token and channel, are taken as draws of a pair (x of the first model, y of the second):

    I = H(x) + H(y) − H(x, y),   entropies of how often each value, and each pair of values, occurs, in nats

As in the code of a public rerun of ACM each distinct number is a value of its own, and the numbers are those of
bfloat16. Only the questions are read, as there: texts end before their answers.

DEVIATES: that code computes in bfloat16; here the models compute in float32, and their outputs are rounded to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from l2s.checkpoints.tensor_names import DOWN, EMBEDDING, HEAD, layer_of
from l2s.contracts.parquet import Column, schema_of, table_of, write_table
from l2s.errors import UserError
from l2s.progress import Progress

if TYPE_CHECKING:
    import torch

    from l2s.calibration.hidden_states import Room
    from l2s.calibration.streamed import StreamedModel
    from l2s.calibration.texts import Text

MODELS = 2
SUFFIX = ".parquet"
WAITING_PAIRS = 1 << 24
SCHEMA = schema_of(
    [
        Column("tensor", pa.string(), "name of the module's weight"),
        Column("layer", pa.int32(), "number of its decoder layer; null outside the layers", nullable=True),
        Column("row_id", pa.string(), "the text's row, as in the calibration data"),
        Column("outputs", pa.int64(), "number of outputs: tokens times channels"),
        Column("mutual_information", pa.float64(), "of the two models' outputs of this module on this text, in nats"),
    ]
)
Found = tuple[str, str, int, float]


class PairCounts:
    """How often pairs of bfloat16 numbers occur; memory grows with the number of distinct pairs only."""

    def __init__(self) -> None:
        self.pairs, self.counts = np.empty(0, np.uint32), np.empty(0, np.int64)
        self.waiting: list[np.ndarray] = []

    def add(self, first: torch.Tensor, second: torch.Tensor) -> None:
        """Count corresponding elements of two float32 tensors of one shape."""
        self.waiting.append(_bits(first).astype(np.uint32) << 16 | _bits(second))
        if sum(map(len, self.waiting)) > WAITING_PAIRS:
            self.sort_in()

    def sort_in(self) -> None:
        """Count the pairs that wait: sorting many at once is much faster than few."""
        new, counts = np.unique(np.concatenate(self.waiting), return_counts=True)
        self.pairs, places = np.unique(np.concatenate([self.pairs, new]), return_inverse=True)
        self.counts = np.bincount(places, np.concatenate([self.counts, counts])).astype(np.int64)
        self.waiting = []

    @property
    def mutual_information(self) -> float:
        """The mutual information of the two numbers of a pair, in nats, of the pairs sorted in."""
        first = np.bincount(self.pairs >> 16, self.counts)
        second = np.bincount(self.pairs & 0xFFFF, self.counts)
        return max(0.0, _entropy(first) + _entropy(second) - _entropy(self.counts))


def write(models: Sequence[StreamedModel], texts: Sequence[Text], room: Room, out: Path) -> None:
    """Measure the mutual information of two models and write it as Parquet, schema SCHEMA."""
    first, second = models
    columns = ("tensor", "row_id", "outputs", "mutual_information")
    rows = [dict(zip(columns, found, strict=True)) for found in measure(first, second, texts, room)]
    write_table(table_of([{**row, "layer": layer_of(row["tensor"])} for row in rows], SCHEMA), out)


def measure(first: StreamedModel, second: StreamedModel, texts: Sequence[Text], room: Room) -> Iterator[Found]:
    """Measure the mutual information of two models.

    Args:
        first: A model.
        second: Another one, with the same layers and vocabulary.
        texts: The texts; what comes before their answers is read.
        room: Only its budget counts: one layer's inputs at a time are held, in memory, of both models.

    Yields:
        (weight name, row_id, number of outputs, mutual information in nats) of each module and text.

    Raises:
        UserError: The models differ in layers or vocabulary, or a text gives NaN or infinity.
    """
    from l2s.calibration.forward import FLOAT_BYTES
    from l2s.calibration.hidden_states import groups

    sizes = [(model.layers, model.hidden, model.vocabulary) for model in (first, second)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"{first.folder} and {second.folder} differ in layers, width or vocabulary; mutual information needs "
            "models of equal shapes"
        )
    questions = [text._replace(ids=text.ids[: text.answer_start]) for text in texts]
    progress = Progress("mutual information", first.layers * sum(len(q.ids) for q in questions), "tokens × layers")
    for group in groups(questions, 4 * first.hidden * FLOAT_BYTES, room.budget):
        yield from _of_group(first, second, group, progress)


def _of_group(
    first: StreamedModel, second: StreamedModel, group: Sequence[Text], progress: Progress
) -> Iterator[Found]:
    """Run both models through the same layers at the same time."""
    import torch

    from l2s.calibration.forward import check_finite
    from l2s.calibration.streamed import NORM

    models, seen = (first, second), {}
    hooks = [
        model.layer.mlp.down_proj.register_forward_hook(lambda _, __, out, n=n: seen.__setitem__(n, out))
        for n, model in enumerate(models)
    ]
    with torch.no_grad():
        states = [[model.embed(text.ids) for model in models] for text in group]
        for text, both in zip(group, states, strict=True):
            yield _found(EMBEDDING, text, [both])
        for layer in range(first.layers):
            for model in models:
                model.load_layer(layer)
            for text, both in zip(group, states, strict=True):
                both[:] = [model.run_layer(inputs) for model, inputs in zip(models, both, strict=True)]
                yield _found(DOWN.format(layer), text, [(seen[0], seen[1])])
                progress.add(len(text.ids))
        for text, both in zip(group, states, strict=True):
            for model, final in zip(models, both, strict=True):
                check_finite(model, text, final)
            normed = [model.norm(final) for model, final in zip(models, both, strict=True)]
            yield _found(f"{NORM}.weight", text, [normed])
            rows = zip(first.head_chunks(), second.head_chunks(), strict=True)
            yield _found(HEAD, text, ((normed[0] @ a.T, normed[1] @ b.T) for (_, a), (_, b) in rows))
    for hook in hooks:
        hook.remove()


def _found(tensor: str, text: Text, pieces: Iterable[Sequence[torch.Tensor]]) -> Found:
    counts = PairCounts()
    for first, second in pieces:
        counts.add(first, second)
    counts.sort_in()
    return tensor, text.row_id, int(counts.counts.sum()), counts.mutual_information


def _bits(values: torch.Tensor) -> np.ndarray:
    """Return the bits of values rounded to bfloat16, uint16 [n]; both zeros are one value."""
    import torch

    return (values.bfloat16() + 0.0).flatten().view(torch.int16).cpu().numpy().view(np.uint16)


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())

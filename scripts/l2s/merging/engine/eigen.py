"""Eigenvalues and eigenvectors of a Gram matrix, in float32 without the loss that squared singular values bring.

A solver in float32 takes less than half the time of float64, and leaves noise of some roundings of the largest
eigenvalue, in which the others drown where a few singular values are much larger than the rest. So these few are found
first, in float64, by subspace iteration: a block of vectors is multiplied by the matrix and made orthonormal again,
until those that stand out have settled. With their eigenvectors Q and eigenvalues Θ, and the size c of what is left,

    G − Q (Θ + c) Qᵀ

has Q's eigenvalues at −c, below all others, so that they do not mix, and leaves the others as they were. This goes to
the solver in float32, whose noise is now some roundings of c.

The noise is measured, not assumed: by what G − U Λ Uᵀ makes of random vectors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 128  # vectors that are iterated
STEPS = 12  # products of the matrix and the block, at most
STANDS_OUT = 4.0  # how many times the block's last eigenvalue one must be to be taken out
SETTLED = 16  # roundings of what is left that an eigenvector's residual may have
PROBES = 8  # random vectors that the noise is measured with
FLOAT32, FLOAT64 = torch.finfo(torch.float32).eps, torch.finfo(torch.float64).eps


class Eigen(NamedTuple):
    """Eigenvalues and eigenvectors of a symmetric matrix G.

    Attributes:
        values: Λ, float64 [m] in descending order, on the CPU.
        vectors: U [m, m], a column for each.
        noise: The root mean square of (G − U Λ Uᵀ) x, for normal x of variance 1.
    """

    values: Tensor
    vectors: Tensor
    noise: float


def in_float32(gram: Tensor) -> Eigen:
    """Return eigenvectors in float32 of a matrix of more than BLOCK rows.

    Args:
        gram: float64 [m, m], positive semidefinite up to rounding, not zero.
    """
    taken, basis, size = _largest(gram)
    # In units of its size it is in the range of float32.
    rest = torch.addmm(gram, basis * (taken + size), basis.T, alpha=-1).div_(size).float()
    values, vectors = torch.linalg.eigh(rest)
    # In ascending order; the first are those at −c.
    values, vectors = values[len(taken) :], vectors[:, len(taken) :]
    probes = torch.randn(len(gram), PROBES, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(gram)
    missed = gram @ probes - basis @ (taken[:, None] * (basis.T @ probes))
    missed = missed.div_(size).float() - vectors @ (values[:, None] * (vectors.T @ probes.float()))
    values, order = torch.cat([taken, size * values.double()]).sort(descending=True)
    # A column lies in one piece.
    vectors = torch.cat([basis.T.float(), vectors.T])[order].T
    return Eigen(values.cpu(), vectors, size * float(missed.square().mean().sqrt()))


def _largest(gram: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return the eigenvalues that stand out, float64 [k], their eigenvectors [m, k], and the size of what is left."""
    start = torch.randn(len(gram), BLOCK, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    image = gram @ start.to(gram)
    for _ in range(STEPS):
        basis = torch.linalg.qr(image).Q
        image = gram @ basis
        values, turn = torch.linalg.eigh(basis.T @ image)
        values, turn = values.flip(0), turn.flip(1)
        basis, image = basis @ turn, image @ turn
        # What is smaller than this has less noise in float32 than the largest has in float64.
        sizes = torch.maximum(values, values[0] * (FLOAT64 / FLOAT32))
        settled = torch.linalg.vector_norm(image - basis * values, dim=0) <= SETTLED * FLOAT32 * sizes[-1]
        stands_out = values > STANDS_OUT * sizes[-1]
        if (settled | ~stands_out).all():
            break
    count = int((settled & stands_out).long().cumprod(0).sum())
    return values[:count], basis[:, :count], float(sizes[min(count, BLOCK - 1)])

"""Functions of a matrix's singular values, without a singular value decomposition.

With A = U S Vᵀ of m rows, m not more than its columns, the eigenvectors of the m × m Gram matrix A Aᵀ = U S² Uᵀ are
enough to replace the singular values S by f(S):

    U f(S) Vᵀ = U diag(f(S) / S) Uᵀ A

Singular value thresholding is f(s) = max(s − μ, 0), truncation to rank r keeps the r largest. A tall matrix is treated
as its transpose. Nothing is as large as A: the Gram matrix and the product are made of pieces of A.

Squaring halves the digits, so the Gram matrix is computed in float64. Its eigenvectors are computed in float32 where
that is exact enough (``eigen.py``): the error that the noise of this, which is measured, leaves in the result is
estimated from the spectrum, and float64 is used where it is too large.

The pieces are the same for any number of threads and each is computed by one, as are the eigenvectors; so the result
does not depend on the number of threads. It may depend in the last bits on the processor and on the linear algebra
library that torch was built with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
from torch import Tensor

from l2s.merging.engine.contract import Cost
from l2s.merging.engine.eigen import in_float32
from l2s.merging.engine.values import torch_threads

Function = Callable[[Tensor], Tensor]
Functions = Callable[[Tensor], Iterable[Tensor]]
Multiplier = tuple[Tensor, ...]

TILE = 384  # rows and columns of the Gram matrix that one thread computes; the fastest of the sizes tried
PIECE = 1024  # length of the pieces of A's longer side
# What takes as long as so many operations: the Gram matrix in float64, or the product in float32, times m²n; and the
# eigenvectors where float32 is enough, times m³, on one thread, as are small steps around them, whatever the shape.
PRODUCT_OPERATIONS, EIGEN_OPERATIONS, SMALL_STEPS = 1.5, 10, 1.5e9
SMALL = 512  # rows up to which float64 takes no longer
# Estimated relative error, in the Frobenius norm, above which float64 is used; found errors were up to 4 times that.
TOLERANCE = 2.5e-5


class Spectrum(NamedTuple):
    """The singular values of a matrix, float64 [m] in descending order, and its left singular vectors U [m, m]."""

    values: Tensor
    vectors: Tensor

    def multiplier(self, replaced: Tensor) -> Multiplier:
        """Return what turns the matrix into the one with these singular values, for ``multiply``.

        Args:
            replaced: float64 [m], a function of ``values`` that the decomposition was made for.

        Returns:
            One or two matrices whose product is U diag(replaced / values) Uᵀ, float32.
        """
        return _multiplier(self.vectors, _factor(self.values, replaced).to(self.vectors))


def threshold(matrix: Tensor, mu: float) -> None:
    """Replace every singular value s of ``matrix``, float32 [rows, columns], by max(s − mu, 0), in place."""
    _replace(matrix, lambda values: (values - mu).clamp(min=0))


def truncate(matrix: Tensor, rank: int) -> None:
    """Keep the ``rank`` largest singular values of ``matrix``, float32 [rows, columns], in place."""
    if rank < min(matrix.shape):
        _replace(matrix, lambda values: values * (torch.arange(len(values)) < rank).to(values))


def _replace(matrix: Tensor, function: Function) -> None:
    found = decompose(matrix, lambda values: [function(values)])
    multiply(matrix, found.multiplier(function(found.values)), into=matrix)


def singular_values(matrix: Tensor) -> Tensor:
    """Return the singular values of ``matrix``, float32 [rows, columns]: float64, in descending order, on the CPU.

    Those below some 1e-8 of the largest are noise.
    """
    gram = _gram(_wide(matrix))
    with torch_threads(1):
        return _roots(torch.linalg.eigvalsh(gram).cpu().flip(0))


def decompose(matrix: Tensor, functions: Functions) -> Spectrum:
    """Return the singular values and vectors of a matrix, as exactly as functions of them need.

    Args:
        matrix: float32 [rows, columns], finite.
        functions: Takes the singular values, float64 in descending order, to each of the others that replace them;
            zeros stay zeros.
    """
    gram = _gram(_wide(matrix))
    # On several threads it gives other bits, and waits for them long where another process has a core.
    with torch_threads(1):
        found = _exact_in_float32(gram, functions)
        if found is None:
            squares, vectors = torch.linalg.eigh(gram)
            found = Spectrum(_roots(squares.cpu().flip(0)), vectors.flip(1))
    return found


def _exact_in_float32(gram: Tensor, functions: Functions) -> Spectrum | None:
    """Return the spectrum with vectors in float32, if that is worth it and exact enough."""
    if len(gram) <= SMALL or not gram.any():
        return None
    found = in_float32(gram)
    values = _roots(found.values)
    errors = [_error(values, _factor(values, replaced), found.noise) for replaced in functions(values)]
    return Spectrum(values, found.vectors) if max(errors) <= TOLERANCE else None


def _factor(values: Tensor, replaced: Tensor) -> Tensor:
    return torch.where(values > 0, replaced / values, 0)


def multiply(matrix: Tensor, multiplier: Multiplier, into: Tensor) -> None:
    """Write the matrix with other singular values into ``into``, which may be the matrix itself."""
    source, target = _wide(matrix), _wide(into)

    def piece(columns: slice) -> None:
        product = source[:, columns]
        for factor in reversed(multiplier):
            product = factor @ product
        target[:, columns].copy_(product)

    _in_threads(piece, _slices(source.shape[1], PIECE))


def cost(shape: tuple[int, int], functions: int) -> Cost:
    """Return what ``decompose`` and ``multiply`` take for a matrix of this shape, beside the matrix."""
    small, large = min(shape), max(shape)
    # In float64: the Gram matrix, its copy that becomes the eigenvectors, and twice its size for the solver; in
    # float32: the multipliers. Then pieces, as many as a dozen threads need.
    nbytes = small**2 * (4 * 8 + 4 * functions) + 32 * small * PIECE
    products = PRODUCT_OPERATIONS * (1 + functions) * small**2 * large
    return Cost(nbytes, products, EIGEN_OPERATIONS * small**3 + SMALL_STEPS * functions)


def _multiplier(vectors: Tensor, factor: Tensor) -> Multiplier:
    """Return U diag(factor) Uᵀ, as two thin matrices if that makes the product with A cheaper."""
    kept = factor.nonzero().flatten()
    thin = vectors[:, kept]
    left, right = (thin * factor[kept]).float(), thin.T.float()
    if 2 * len(kept) < len(factor):
        return left, right
    product = torch.empty_like(vectors, dtype=torch.float32)
    _in_threads(lambda rows: torch.mm(left[rows], right, out=product[rows]), _slices(len(product), TILE))
    return (product,)


def _error(values: Tensor, factor: Tensor, noise: float) -> float:
    """Estimate the relative error of the result from noise of the Gram matrix, to first order.

    Noise E, in the basis U, changes U diag(h) Uᵀ by Eᵢⱼ · (hᵢ − hⱼ) / (λᵢ − λⱼ), λ = s², and A carries that on with
    its singular value sⱼ. E is taken to be spread evenly.
    """
    size = torch.linalg.vector_norm(factor * values)
    if size == 0:
        return 0.0
    squares = values**2
    slope = torch.sub(factor[:, None], factor).div_(torch.sub(squares[:, None], squares))
    # Equal singular values do not disturb each other.
    change = slope.nan_to_num_(0, 0, 0).mul_(values)
    return noise / len(values) ** 0.5 * float(torch.linalg.vector_norm(change) / size)


def _gram(wide: Tensor) -> Tensor:
    """Return A Aᵀ, float64 [m, m], in pieces of A's columns."""
    rows, columns = wide.shape
    gram = torch.zeros(rows, rows, dtype=torch.float64, device=wide.device)
    bands = _slices(rows, TILE)
    lower = [(first, second) for number, first in enumerate(bands) for second in bands[: number + 1]]
    for piece in _slices(columns, PIECE):
        part = wide[:, piece].double()
        _in_threads(lambda at, part=part: gram[at].add_(part[at[0]] @ part[at[1]].T), lower)
    return gram.tril_().add_(gram.tril(-1).T)


def _wide(matrix: Tensor) -> Tensor:
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T


def _roots(squares: Tensor) -> Tensor:
    return squares.double().clamp_(min=0).sqrt_()


def _slices(length: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def _in_threads(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    """Do the work for each item, in as many threads as torch would use for one operation."""
    threads = torch.get_num_threads()
    with torch_threads(1), ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, items):
            pass

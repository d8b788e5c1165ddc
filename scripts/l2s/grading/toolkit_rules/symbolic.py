"""The toolkit's last resort: both answers parsed by sympy and compared as expressions (end of section 4).

sympy's LaTeX parser reads as far as it can and ignores the rest, so that "1,-2" is 1. What it cannot read at all goes
to the parser of latex2sympy2_extended, which knows matrices, percent signs and chains of inequalities.

DEVIATES: the toolkit also tries sympy's ``parse_expr``, which runs Python found in an answer. Braces with a list, which
only that function read, are compared as sets of parsed elements instead. Nor is a text that no parser could read
handed to a comparison of sympy, which would run it as well. What sympy's LaTeX parser itself hands to ``sympify`` are
single numbers, digits and a point.
"""

import math
import re
from functools import lru_cache
from typing import Any

from latex2sympy2_extended import latex2sympy
from sympy import Expr, FiniteSet, Matrix, MatrixBase, N
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean
from sympy.parsing.latex import _parse_latex_antlr, parse_latex

from l2s.grading.numeric import simplify, surely_not_zero

# sympy's parser insists on version 4.11 of the ANTLR runtime, math-verify's needs 4.13. Parsers made for the one work
# with the other; they only would print on each use that the versions differ.
_parse_latex_antlr.version = lambda _: "4.11"
_parse_latex_antlr.LaTeXLexer.checkVersion = _parse_latex_antlr.LaTeXParser.checkVersion = lambda *_: None

RELATIVE_TOLERANCE = 1e-4
DECIMALS_OF_MATRICES = 3
BRACES = re.compile(r"\{(.*,.*)\}")
MATRIX = re.compile(r"\\begin\{[pb]matrix\}(.*)\\end\{[pb]matrix\}", re.DOTALL)


def symbolically_equal(answer: str, gold: str) -> bool:
    """Return whether two texts stand for the same value, for what the toolkit takes for the same."""
    first, second = parsed(answer), parsed(gold)
    if first == second or str(first) == str(second):
        return True
    if isinstance(first, str) or isinstance(second, str):
        return False
    comparisons = (_same_value, _no_difference, _same_sides, _same_number, _same_matrix)
    return any(_succeeds(comparison, first, second) for comparison in comparisons)


@lru_cache(maxsize=512)
def parsed(text: str) -> Any:
    """Return a text as a sympy object, or as it is if no parser can read it."""
    for parser in (parse_latex, _parse_braces, _parse_matrix, _parse_other):
        for spelling in dict.fromkeys((text.replace("\\\\", "\\"), text)):
            try:
                return parser(spelling)
            except MemoryError:
                raise
            except Exception:  # what a parser raises depends on where it gave up
                continue
    return text


def _parse_braces(text: str) -> FiniteSet:
    found = BRACES.fullmatch(text)
    if found is None:
        raise ValueError("no list in braces")
    return FiniteSet(*(parse_latex(element) for element in found[1].split(",")))


def _parse_matrix(text: str) -> Matrix:
    rows = matrix_rows(text)
    if rows is None:
        raise ValueError("no matrix")
    return Matrix([[parse_latex(cell) for cell in row] for row in rows])


def matrix_rows(text: str) -> list[list[str]] | None:
    """Return the cells of a matrix, row by row; None if the text is no matrix."""
    found = MATRIX.fullmatch(text)
    if found is None:
        return None
    return [[cell.strip() for cell in row.split("&")] for row in found[1].split("\\\\") if row.strip()]


def _parse_other(text: str) -> Any:
    value = latex2sympy(text.rstrip("~"))
    if not isinstance(value, Expr | MatrixBase | Boolean):
        raise ValueError("a set or an interval, which the toolkit cannot read")
    return value


def _succeeds(comparison: Any, first: Any, second: Any) -> bool:
    """Return what a comparison says; one that fails says no, as in the toolkit."""
    try:
        return bool(comparison(first, second))
    except MemoryError:
        raise
    except Exception:
        return False


def _same_value(first: Any, second: Any) -> bool:
    if isinstance(first, Expr) and isinstance(second, Expr) and surely_not_zero(first - second):
        return False
    return first.equals(second)


def _no_difference(first: Any, second: Any) -> bool:
    return simplify(first - second) == 0


def _same_sides(first: Any, second: Any) -> bool:
    """Compare what separates the sides of two relations; that one is < and the other >= does not count."""
    if not (isinstance(first, Relational) and isinstance(second, Relational)):
        return False
    return _same_value(abs(first.lhs - first.rhs), abs(second.lhs - second.rhs))


def _same_number(first: Any, second: Any) -> bool:
    return math.isclose(float(N(first)), float(N(second)), rel_tol=RELATIVE_TOLERANCE)


def _same_matrix(first: Any, second: Any) -> bool:
    if first.shape != second.shape:
        return False
    rounded = (matrix.applyfunc(lambda entry: N(entry).round(DECIMALS_OF_MATRICES)) for matrix in (first, second))
    return next(rounded) == next(rounded)

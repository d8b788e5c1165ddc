"""A cheap look before an expensive one: expressions that differ in numbers cannot be made equal by simplification.

Most wrong answers are of this kind, and simplifying the difference of two unrelated formulas takes seconds.
"""

import random
from typing import Any

from sympy import Add, Derivative, Expr, Float, Integral, Limit, Mul, Pow, Product, Sum
from sympy import simplify as sympy_simplify
from sympy.core.function import AppliedUndef

POINTS = 2
DIGITS = 15
NOT_ZERO = 1e-6
# Evaluating these is as dear as simplifying them, or has no answer.
UNEVALUATED = (Integral, Sum, Product, Limit, Derivative, AppliedUndef)


def surely_not_zero(expression: Any) -> bool:
    """Say whether an expression is no zero at a point where all its symbols are positive numbers.

    If it is not, no simplification turns it into 0, as what that takes for granted holds for positive numbers too.
    False says nothing.
    """
    if not isinstance(expression, Expr) or expression.has(*UNEVALUATED):
        return False
    expression = _with_flat_products(expression)
    draw = random.Random(0)
    for _ in range(POINTS):
        point = {symbol: Float(draw.uniform(1.1, 2.9)) for symbol in sorted(expression.free_symbols, key=str)}
        value = expression.evalf(DIGITS, subs=point)
        # A zero that cancellation hides comes out without digits that can be trusted: evalf says 0 or something tiny.
        if not value.is_number or not value.is_finite or abs(value) <= NOT_ZERO:
            return False
    return True


def _with_flat_products(expression: Expr) -> Expr:
    """Return an expression with products of products as one product.

    evalf takes twice as long for each level of them, and the parsers make a level of each letter of a sentence. Nothing
    is computed, as a power may be too large for that.
    """
    if not isinstance(expression, Add | Mul | Pow):
        return expression
    args = [_with_flat_products(arg) for arg in expression.args]
    if isinstance(expression, Mul):
        args = [factor for arg in args for factor in Mul.make_args(arg)]
    return expression.func(*args, evaluate=False)


def simplify(expression: Any) -> Any:
    """Return an expression simplified, to be compared with 0; one that is surely not 0 as it is."""
    return expression if surely_not_zero(expression) else sympy_simplify(expression)

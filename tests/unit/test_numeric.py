"""The cheap look at numbers never calls equal formulas different, and is cheap."""

import pytest
from sympy import Mul, Pow, Symbol, exp, expand, log, sin, sqrt
from sympy.parsing.latex import parse_latex

from l2s.grading import numeric
from l2s.grading.numeric import surely_not_zero
from l2s.grading.toolkit_rules.symbolic import parsed

X, Y = Symbol("x"), Symbol("y")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (sqrt(X**2 * Y), X * sqrt(Y)),
        (sin(X) ** 2, 1 - parse_latex(r"\cos^{2}(x)")),
        (log(X * Y), log(X) + log(Y)),
        (exp(X) * exp(-Y), exp(X - Y)),
        ((X + 1) ** 60, expand((X + 1) ** 60)),
        ((X**2 - Y**2) / (X - Y), X + Y),
        (X / 3, X * 0.3333333333333),
    ],
)
def test_formulas_that_are_equal_where_symbols_are_positive_may_be_zero_apart(one, other):
    assert not surely_not_zero(one - other)


@pytest.mark.parametrize(("one", "other"), [("x+1", "x+2"), (r"\frac{x}{2}", r"\frac{x}{3}"), ("e^{x}", "x^{e}")])
def test_formulas_that_differ_are_not_zero_apart(one, other):
    assert surely_not_zero(parsed(one) - parsed(other))


def test_a_sentence_is_one_product_and_not_one_within_the_other():
    # sympy's evalf would take twice as long for each letter: hours for this sentence.
    sentence = parsed("Thereisnopossiblechoiceofkwhichwillmakethesematricescommute")
    assert any(isinstance(factor, Mul) for factor in sentence.args)
    flat = numeric._with_flat_products(sentence)
    assert not any(isinstance(factor, Mul) for factor in flat.args)
    assert surely_not_zero(sentence - parsed("5"))


def test_a_power_too_large_to_compute_is_left_as_it_is():
    tower = Pow(9, Pow(9, 9, evaluate=False), evaluate=False)
    product = Mul(X, Mul(Y, tower, evaluate=False), evaluate=False)
    assert numeric._with_flat_products(product).has(tower)

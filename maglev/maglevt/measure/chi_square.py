"""The chi-square distribution: how likely a deviation at least as large is, if it is chance.

The regularised incomplete gamma functions are computed as in W. H. Press and others, Numerical Recipes, section 6.2:
the series (DLMF 8.7.1, https://dlmf.nist.gov/8.7.E1) where it converges fast, and the continued fraction (DLMF 8.9.2,
https://dlmf.nist.gov/8.9.E2) by Lentz's method elsewhere.
"""

from __future__ import annotations

import math
from typing import Final

_PRECISION: Final = 1e-12

_TINY: Final = 1e-300
"""Stands for a zero by which Lentz's method would divide."""


def upper_tail(chi_square: float, degrees: int) -> float:
    """Return the probability of this value of chi-square or a larger one.

    Args:
        chi_square: Not negative.
        degrees: Degrees of freedom, at least 1.
    """
    a, x = degrees / 2, chi_square / 2
    if x <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        return max(0.0, 1.0 - scale * _series(a, x))
    return scale * _continued_fraction(a, x)


def _series(a: float, x: float) -> float:
    """Return the lower function P(a, x) divided by the scale; each term is less than the last by x / (a + n)."""
    term = total = 1 / a
    while term > total * _PRECISION:
        a += 1
        term *= x / a
        total += term
    return total


def _continued_fraction(a: float, x: float) -> float:
    """Return the upper function Q(a, x) divided by the scale."""
    b = x + 1 - a
    c = 1 / _TINY
    result = d = 1 / b
    factor, n = 0.0, 0
    while abs(factor - 1) > _PRECISION:
        n += 1
        numerator = -n * (n - a)
        b += 2
        d = 1 / (numerator * d + b)
        c = b + numerator / c
        factor = d * c
        result *= factor
    return result

"""Special functions that NumPy lacks, on arrays.

The error function follows W. J. Cody 1969, "Rational Chebyshev approximations for the error
function", Mathematics of Computation 23(107), tables II to IV: three rational approximations, for
small, middle and large |x|, each with a relative error below 1e-16. float32 needs only one, less
exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import array_module

# |x| <= 0.46875: erf(x) = x P(x^2) / Q(x^2)
_P1 = (3.20937758913846947e03, 3.77485237685302021e02, 1.13864154151050156e02,
       3.16112374387056560e00, 1.85777706184603153e-1)  # fmt: skip
_Q1 = (2.84423683343917062e03, 1.28261652607737228e03, 2.44024637934444173e02,
       2.36012909523441209e01, 1.0)  # fmt: skip
# 0.46875 < |x| <= 4: erfc(x) = exp(-x^2) P(x) / Q(x)
_P2 = (1.23033935479799725e03, 2.05107837782607147e03, 1.71204761263407058e03,
       8.81952221241769090e02, 2.98635138197400131e02, 6.61191906371416295e01,
       8.88314979438837594e00, 5.64188496988670089e-1, 2.15311535474403846e-8)  # fmt: skip
_Q2 = (1.23033935480374942e03, 3.43936767414372164e03, 4.36261909014324716e03,
       3.29079923573345963e03, 1.62138957456669019e03, 5.37181101862009858e02,
       1.17693950891312499e02, 1.57449261107098347e01, 1.0)  # fmt: skip
# |x| > 4: erfc(x) = exp(-x^2) / x (1/sqrt(pi) - P(1/x^2) / (x^2 Q(1/x^2)))
_P3 = (6.58749161529837803e-4, 1.60837851487422766e-2, 1.25781726111229246e-1,
       3.60344899949804439e-1, 3.05326634961232344e-1, 1.63153871373020978e-2)  # fmt: skip
_Q3 = (2.33520497626869185e-3, 6.05183413124413191e-2, 5.27905102951428412e-1,
       1.87295284992346725e00, 2.56852019228982242e00, 1.0)  # fmt: skip
# |x| <= 3.95: erf(x) = x P(x^2) / Q(x^2), a least-squares fit; relative error below 2e-9
_P4 = (1.128379169239, 1.851687204772e-1, 5.427476774816e-2, 3.843362168022e-3,
       3.779384604798e-4, 4.640486386071e-6, -1.296730491381e-8)  # fmt: skip
_Q4 = (1.0, 4.974349151337e-1, 1.139109010258e-1, 1.544370756303e-2,
       1.304062980422e-3, 6.269299192708e-5)  # fmt: skip


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """Return the sum of coefficients[i] x^i, by Horner's rule."""
    value = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = value * x + c
    return value


def erf(x: Any) -> Any:
    """Return 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, elementwise, in x's dtype."""
    xp = array_module(x)
    function = _erf_fine if x.dtype == "float64" else _erf_narrow
    if xp is not np:
        return function(x)
    # In blocks that stay in cache: dozens of operations go over each number.
    arrays: Any = [x, None]
    how: Any = ["external_loop", "buffered", "zerosize_ok"]
    use: Any = [["readonly"], ["writeonly", "allocate"]]
    with np.nditer(arrays, how, use, [x.dtype] * 2, buffersize=1 << 13) as blocks:
        for block, y in blocks:
            y[...] = function(block)
        return blocks.operands[1]


def _erf_narrow(x: Any) -> Any:
    """erf for float32 and float16: one rational function, computed in float64 and then rounded."""
    xp = array_module(x)
    z = xp.clip(x.astype("float64"), -3.95, 3.95)  # beyond, erf rounds to 1
    u = z * z
    return (z * (_polynomial(_P4, u) / _polynomial(_Q4, u))).astype(x.dtype)


def _erf_fine(x: Any) -> Any:
    """erf for float64: three rational functions, each for its own range of |x|."""
    xp = array_module(x)
    z = xp.abs(x)
    small = xp.minimum(z, 0.46875)
    middle = xp.clip(z, 0.46875, 4.0)
    large = xp.clip(z, 4.0, 30.0)
    near = small * _polynomial(_P1, small**2) / _polynomial(_Q1, small**2)
    mid = 1 - xp.exp(-(middle**2)) * _polynomial(_P2, middle) / _polynomial(_Q2, middle)
    r = 1 / large**2
    tail = r * _polynomial(_P3, r) / _polynomial(_Q3, r)
    far = 1 - xp.exp(-(large**2)) / large * (1 / math.sqrt(math.pi) - tail)
    y = xp.where(z <= 0.46875, near, xp.where(z <= 4.0, mid, far))
    return xp.where(xp.isnan(z), z, xp.copysign(y, x))

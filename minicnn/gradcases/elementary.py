"""Cases for arithmetic, comparison and the functions of one number."""

from __future__ import annotations

import numpy as np

from ..autograd import Alias
from ..ops import activation, arithmetic, choose, elementwise, rounding, smooth
from ..ops.activation import hardtanh, leaky_relu, prelu, relu, threshold
from ..ops.from_data import tensor
from ..ops.softmax import log_softmax, softmax, softmin
from .case import Case, Recipe, apart, constant, distinct, normal, positive, small

CASES: list[Case] = []


def case(name: str, function: object, *recipes: Recipe) -> None:
    """Add a case."""
    CASES.append(Case(name, function, recipes))  # type: ignore[arg-type]


MASK = tensor(np.array([[True, False, True, False], [False, False, True, True], [True] * 4]))
FACTORS = tensor([0.7, -0.9, 0.31, -0.43], dtype="float64", requires_grad=True)
LOW = tensor([-0.53, 0.2, -1.4, 0.9], dtype="float64", requires_grad=True)
HIGH = tensor([[1.03], [0.5], [-0.26]], dtype="float64", requires_grad=True)

# ------------------------------------------------------------------------------- arithmetic
case("add", lambda a, b: a + b, normal(3, 4), normal(3, 4))
case("add-broadcast", lambda a, b: a + b, normal(3, 1), normal(2, 1, 4))
case("add-alpha", lambda a, b: arithmetic.add(a, b, alpha=-2.5), normal(3, 4), normal(4))
case("sub", lambda a, b: a - b, normal(3, 4), normal(4))
case("sub-from-number", lambda a: 2.0 - a, normal(3, 4))
case("mul", lambda a, b: a * b, normal(3, 4), normal(3, 4))
case("mul-broadcast", lambda a, b: a * b, normal(2, 1, 3), normal(4, 1))
case("mul-by-itself", lambda a: a * a, normal(3))
case("mul-0d", lambda a, b: a * b, normal(), normal(3))
case("div", lambda a, b: a / b, normal(3, 4), apart(3, 1))
case("div-of-number", lambda b: 3.0 / b, apart(3, 4))
case("neg", lambda a: -a, normal(3, 4))
case("pow-number", lambda a: a**3, normal(3, 4))
case("pow-fraction", lambda a: a**-1.5, positive(3, 4))
case("pow", lambda a, b: a**b, positive(3, 4), normal(4))
case("pow-of-number", lambda b: 2.5**b, normal(3, 4))
case("remainder", lambda a, b: a % b, apart(3, 4), constant(FACTORS))
case("div-floor", lambda a, b: a.div(b, rounding_mode="floor"), apart(3, 4), constant(FACTORS))
case("div-trunc", lambda a, b: a.div(b, rounding_mode="trunc"), apart(3, 4), constant(FACTORS))
case("addcmul", lambda a, b, c: a.addcmul(b, c, value=0.5), normal(3, 4), normal(4), normal(3, 1))
case("addcdiv", lambda a, b, c: a.addcdiv(b, c, value=2), normal(3, 4), normal(4), apart(3, 1))
case("lerp", lambda a, b, w: a.lerp(b, w), normal(3, 4), normal(3, 4), normal(3, 4))
case("alias", lambda a: Alias()(a), normal(3))

# ------------------------------------------------------------------------------- comparison
case("where", choose.where, constant(MASK), normal(3, 4), normal(4))
case("where-number", lambda m, a: choose.where(m, 2.0, a), constant(MASK), normal(3, 4))
case("maximum", choose.maximum, distinct(3, 4), normal(3, 4))
case("maximum-broadcast", lambda a, b: choose.maximum(a, b + 0.05), distinct(3, 4), distinct(3, 1))
case("minimum", choose.minimum, distinct(3, 4), normal(3, 4))
case("clamp", lambda a: a.clamp(-0.55, 1.05), distinct(3, 4))
case("clamp-min", lambda a: a.clamp(min=0.25), distinct(3, 4))
case(
    "clamp-tensors",
    lambda a, low, high: a.clamp(low, high),
    distinct(3, 4),
    constant(LOW),
    constant(HIGH),
)

# --------------------------------------------------------------------- functions of one number
for name, recipe in {
    "abs": apart, "square": normal, "sqrt": positive, "rsqrt": positive, "reciprocal": apart,
    "exp": normal, "exp2": normal, "expm1": normal, "log": positive, "log2": positive,
    "log10": positive, "log1p": positive, "sin": normal, "cos": normal, "tan": small,
    "tanh": normal, "sigmoid": normal, "erf": normal,
}.items():  # fmt: skip
    case(name, getattr(elementwise, name), recipe(3, 4))
for name in ("sign", "floor", "ceil", "trunc", "round", "nan_to_num"):
    case(name, getattr(rounding, name), apart(3, 4))

# -------------------------------------------------------------------------------- activations
case("relu", relu, apart(3, 4))
case("relu-inplace", lambda x: relu(x * 2, inplace=True), apart(3, 4))
case("hardtanh", lambda x: hardtanh(x, -0.7, 0.9), distinct(3, 4))
case("threshold", lambda x: threshold(x, 0.25, 3.0), distinct(3, 4))
case("leaky_relu", lambda x: leaky_relu(x, 0.2), apart(3, 4))
case("prelu", prelu, apart(2, 3, 4), normal(3))
case("prelu-one", prelu, apart(2, 3, 4), normal(1))
for name in ("elu", "celu", "selu"):
    case(name, getattr(smooth, name), apart(3, 4))
for name in ("gelu", "silu", "mish", "softplus", "logsigmoid"):
    case(name, getattr(smooth, name), normal(3, 4))
case("softsign", smooth.softsign, apart(3, 4))
case("elu-alpha", lambda x: smooth.elu(x, 1.7), apart(3, 4))
case("gelu-tanh", lambda x: smooth.gelu(x, approximate="tanh"), normal(3, 4))
case("softplus-beta", lambda x: smooth.softplus(x, beta=3.0, threshold=2.0), apart(3, 4))
for name in ("hardsigmoid", "hardswish", "relu6"):
    case(name, getattr(activation, name), apart(3, 4))
case("softmax", lambda x: softmax(x, 1), normal(3, 4))
case("softmax-first-dim", lambda x: softmax(x, 0), normal(3, 4, 2))
case("softmin", lambda x: softmin(x, 1), normal(3, 4))
case("log_softmax", lambda x: log_softmax(x, -1), normal(3, 4))
case("log_softmax-middle", lambda x: log_softmax(x, 1), normal(2, 3, 2))

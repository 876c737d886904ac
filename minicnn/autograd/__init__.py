"""Reverse-mode differentiation: how `minicnn` knows the derivative of what you computed.

*The idea.* While a program runs forward, every operation that touches a value whose gradient is
wanted leaves a `Node` behind: which operation it was, and which nodes made its inputs. That is the
tape. A function of a million parameters and one output needs one walk over the tape, from the
output back: each node is handed the gradient of the output with respect to its own result, `dy`,
and turns it into the gradients of its inputs. Where a value was used twice, its gradients add up.

*An operation* is a subclass of `Op`: `forward` on arrays, and one method per input for the
derivative, `d<name of the input>`, written with tensors. It is one method per input, not one
`backward` for all, for three reasons: a gradient that nobody needs is never computed; each line of
the mathematics is one method; and an operation states, by the parameters it names, which values it
needs. Only those are kept in memory, and only those must stay unchanged until the backward pass::

    class Mul(Op):
        \"\"\"y = a b.   da = dy b,  db = dy a.\"\"\"

        def forward(self, a, b):
            return a * b

        def da(self, dy, b):
            return dy * b

        def db(self, dy, a):
            return dy * a

Because derivatives are written in operations that are themselves differentiable, the backward pass
can be recorded too (`create_graph=True`), and second and higher derivatives need no further code.

Broadcasting needs no thought in an op: the engine sums a gradient over the axes that were
broadcast.

Reference: Baydin, Pearlmutter, Radul, Siskind 2018, "Automatic differentiation in machine
learning: a survey", section 3.2.

Tutorial: tutorials/01_tensors_and_the_tape.ipynb
"""

from __future__ import annotations

from .autocast import (
    RULES,
    autocast,
    clear_autocast_cache,
    get_autocast_dtype,
    is_autocast_cache_enabled,
    is_autocast_enabled,
    runs_in,
)
from .engine import backward, grad
from .host import from_host
from .modes import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from .node import Node
from .op import Alias, FusedOp, Op
from .variable import (
    UNTRACKED,
    Variable,
    needs_grad,
    node_of,
    set_result_class,
    shares_memory,
    wrap,
)

__all__ = [
    "Op", "FusedOp", "backward", "grad", "no_grad", "enable_grad", "set_grad_enabled",
    "is_grad_enabled", "inference_mode", "detect_anomaly", "set_detect_anomaly", "Alias", "Node",
    "UNTRACKED", "Variable", "needs_grad", "node_of", "set_result_class", "shares_memory", "wrap",
    "RULES", "autocast", "clear_autocast_cache", "get_autocast_dtype", "is_autocast_cache_enabled",
    "is_autocast_enabled", "runs_in", "from_host",
]  # fmt: skip

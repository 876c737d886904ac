"""Checking gradients: is the backward pass the derivative of the forward pass?

A wrong gradient raises no error: a network trains on it, only worse. So every new operation, layer
or loss deserves one line::

    minicnn.gradcheck(function, (x, w))       # first derivatives
    minicnn.gradgradcheck(function, (x, w))   # second derivatives

with inputs in float64 and `requires_grad=True`. The function's values at two neighbouring points
give its slope without any knowledge of derivatives, (f(x + eps u) - f(x - eps u)) / (2 eps), with
an error of the order of eps^2. The backward pass must give the same.

`problem.py` has the two roads to the derivative, `compare.py` and `jacobian.py` compare them,
`causes.py` explains a failure.

Tutorial: tutorials/02_gradient_checking.ipynb
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import autograd
from ..autograd import grad, needs_grad, wrap
from ..backend import array_module
from ..errors import GradcheckError, KinkWarning, MinicnnError, UnsupportedError
from ..tensor import Tensor
from .compare import Verdict, examine
from .jacobian import Tolerance
from .problem import Problem, problem_of


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = True,
    masked: bool | None = None,
) -> bool:
    """Return whether the gradients of `func` agree with finite differences; raise if they do not.

    Args:
        func: any function of tensors that returns a tensor or a tuple of tensors, or a Module,
            whose
            parameters are then checked too.
        inputs: the arguments of `func`: a tensor or a tuple of anything. Checked are the tensors
            that
            require a gradient; they should be float64.
        eps: the step of the finite differences.
        atol, rtol: the numbers agree if |difference| <= atol + rtol * |finite difference|.
        raise_exception: raise where they disagree; otherwise return False.
        nondet_tol: by how much two calls of `func`, and two backward passes, may differ.
        check_undefined_grad: nothing to check here, since no operation of minicnn is handed an
            undefined gradient.
        check_grad_dtypes: also ask that each gradient has the dtype of its input.
        fast_mode: compare random projections of the Jacobian, which costs two evaluations for an
            input, and look at single elements only where they disagree. False compares every
            element of every Jacobian: slower, and what a textbook does. PyTorch's default is False.
        check_batched_grad, check_batched_forward_grad, check_forward_ad, check_backward_ad, masked:
            of PyTorch's; only their defaults are covered.

    At a kink, where there is no derivative to compare with, it warns (`KinkWarning`) and goes on.

    Raises:
        GradcheckError: naming the input, the element, both values and the likely cause.
    """
    _covered(
        "gradcheck",
        check_batched_grad=check_batched_grad,
        check_batched_forward_grad=check_batched_forward_grad,
        check_forward_ad=check_forward_ad,
        no_check_backward_ad=not check_backward_ad,
        masked=bool(masked),
    )
    tolerance = Tolerance(eps, atol, rtol, nondet_tol)
    problem = _checked("gradcheck", problem_of(func, inputs))
    verdict = judge(problem, tolerance, fast_mode)
    if check_grad_dtypes and verdict.failure is None:
        verdict.failure = _wrong_dtype(problem)
    return _conclude("gradcheck", verdict, raise_exception)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = True,
    masked: bool = False,
) -> bool:
    """Return whether the second derivatives of `func` agree with finite differences of the first.

    The backward pass of `func` is itself a function, of the inputs and of the gradients of the
    outputs. This checks that function's gradients with respect to both.

    Args:
        grad_outputs: the gradients of the outputs to begin from; by default random ones.
        gen_non_contig_grad_outputs: draw random ones that are not contiguous in memory.
        check_fwd_over_rev, check_rev_over_rev: of PyTorch's; only their defaults are covered.

    All else is as in `gradcheck`.
    """
    _covered(
        "gradgradcheck",
        check_batched_grad=check_batched_grad,
        masked=masked,
        check_fwd_over_rev=check_fwd_over_rev,
        no_check_rev_over_rev=not check_rev_over_rev,
    )
    tolerance = Tolerance(eps, atol, rtol, nondet_tol)
    first = _checked("gradgradcheck", problem_of(func, inputs))
    second = derivative_of(first, grad_outputs, gen_non_contig_grad_outputs)
    verdict = judge(second, tolerance, fast_mode, order=2)
    if verdict.failure is not None:
        before = judge(first, tolerance, fast_mode).failure
        if before is not None:
            verdict.failure = f"the first derivative is wrong already: {before}"
    if check_grad_dtypes and verdict.failure is None:
        verdict.failure = _wrong_dtype(second)
    return _conclude("gradgradcheck", verdict, raise_exception)


def derivative_of(first: Problem, grad_outputs: Any = None, scattered: bool = False) -> Problem:
    """Return the backward pass of a problem as a problem itself: its outputs are the gradients."""
    outputs = first.outputs()
    if grad_outputs is None:
        seeds = [_random_like(y, i, scattered) for i, y in enumerate(outputs)]
    else:
        given = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
        seeds = [g.detach().requires_grad_() for g in given]

    def gradients() -> list[Tensor]:
        wanted = list(first.targets.values())
        pairs = [(y, s) for y, s in zip(first.outputs(), seeds, strict=True) if needs_grad(y)]
        if not pairs:
            raise GradcheckError("gradgradcheck: no output requires a gradient; is the graph cut?")
        ys, dys = zip(*pairs, strict=True)
        found = grad(ys, wanted, dys, create_graph=True, allow_unused=True)
        return [g for g in found if g is not None]

    targets = {**first.targets, **{f"grad_outputs[{i}]": s for i, s in enumerate(seeds)}}
    return Problem(gradients, targets, "gradient")


def judge(problem: Problem, tolerance: Tolerance, fast: bool = True, order: int = 1) -> Verdict:
    """Examine a problem; an error raised by the backward pass counts as a failure."""
    try:
        return examine(problem, tolerance, fast, order)
    except GradcheckError:
        raise
    except MinicnnError as error:
        if order == 1:
            problem.outputs()  # raises again if it is the function itself that cannot be called
        verdict = Verdict()
        verdict.failure = f"the backward pass cannot be run: {error}"
        return verdict


def _random_like(y: Tensor, number: int, scattered: bool) -> Tensor:
    values = np.random.default_rng(number).standard_normal((*y.shape, 2 if scattered else 1))
    array = array_module(y.array).asarray(values, dtype=y.dtype)[..., 0]
    return wrap(array).requires_grad_()


def _covered(name: str, **options: bool) -> None:
    for option, value in options.items():
        if value:
            given = f"{option[3:]}=False" if option.startswith("no_") else f"{option}=True"
            raise UnsupportedError(
                f"{name}: {given} is not covered; minicnn has the reverse mode only"
            )


def _checked(name: str, problem: Problem) -> Problem:
    """Return the problem after checking that its tensors can be moved a little, each by itself."""
    if not problem.targets:
        raise ValueError(
            f"{name}: none of the inputs requires a gradient; pass at least one tensor with "
            "requires_grad=True"
        )
    for what, x in problem.targets.items():
        steps = zip(x.array.strides, x.shape, strict=True)
        if x.numel() and any(step == 0 and n > 1 for step, n in steps):
            raise GradcheckError(
                f"{name}: elements of {what} {x.shape} overlap in memory (it was expanded), so "
                "none can be moved "
                "alone; pass a clone()"
            )
        if x.dtype != np.float64:
            warnings.warn(
                f"{name}: {what} is {x.dtype}; finite differences need float64, use .double()",
                stacklevel=3,
            )
    return problem


def _wrong_dtype(problem: Problem) -> str | None:
    for name, x in problem.targets.items():
        g = problem.forms.get(name)
        if g is not None and g.dtype != x.dtype:
            return f"the gradient of {name} is {g.dtype}, but {name} is {x.dtype}"
    return None


def _conclude(name: str, verdict: Verdict, raise_exception: bool) -> bool:
    if verdict.failure is not None:
        if raise_exception:
            raise GradcheckError(f"{name}: {verdict.failure}")
        return False
    for note in verdict.kinks:
        warnings.warn(
            f"{name}: {note}; there is no derivative there to compare with, so it was not checked. "
            "Move the "
            "input away from it to check the rest.",
            KinkWarning,
            stacklevel=3,
        )
    return True


# PyTorch's path: torch.autograd.gradcheck. Imports point one way only, so it is put there from
# here.
for _function in (gradcheck, gradgradcheck):
    setattr(autograd, _function.__name__, _function)

__all__ = ["gradcheck", "gradgradcheck"]

"""Agreement with PyTorch: one call compares values, dtypes, first and second derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import minicnn
from minicnn.deferred import settle

TOLERANCE = {"float64": 1e-9, "float32": 2e-5, "float16": 4e-3}


def agree(ours, theirs, *arrays, second=True, tolerance=None, seed=0):
    """Check that two functions of the same arrays agree; floating arrays get gradients.

    Gradients are compared as the backward pass computes them for training and when it is itself
    recorded (create_graph): fused operations take different roads there.
    """
    torch = pytest.importorskip("torch")
    floats = [np.asarray(a).dtype.kind == "f" for a in arrays]
    xs = [
        minicnn.tensor(np.asarray(a), requires_grad=f) for a, f in zip(arrays, floats, strict=True)
    ]
    ts = [torch.tensor(np.asarray(a), requires_grad=f) for a, f in zip(arrays, floats, strict=True)]
    y, t = ours(*xs), theirs(*ts)
    tolerance = tolerance or TOLERANCE[str(y.dtype)]
    close("value", y, t, tolerance)
    wanted = [x for x, f in zip(xs, floats, strict=True) if f]
    known = [x for x, f in zip(ts, floats, strict=True) if f]
    if y.numel() == 0:
        return
    rng = np.random.default_rng(seed)
    dy = rng.standard_normal(y.shape).astype(str(y.dtype))
    dys, dts = minicnn.tensor(dy, requires_grad=True), torch.tensor(dy, requires_grad=True)
    options = {"retain_graph": True, "allow_unused": True}
    gs = minicnn.autograd.grad(y, wanted, dys, **options)
    recorded = minicnn.autograd.grad(y, wanted, dys, create_graph=True, **options)
    gts = torch.autograd.grad(t, known, dts, create_graph=second, **options)
    for i, (g, r, gt) in enumerate(zip(gs, recorded, gts, strict=True)):
        close(f"gradient {i}", g, gt, tolerance)
        close(f"gradient {i}, recorded", r, gt, tolerance)
    if second:
        _second(recorded, gts, [*wanted, dys], [*known, dts], rng, 10 * tolerance)


def _second(gs, gts, inputs, tinputs, rng, tolerance):
    import torch

    pairs = [(g, gt) for g, gt in zip(gs, gts, strict=True) if gt is not None and gt.requires_grad]
    vs = [rng.standard_normal(g.shape).astype(str(g.dtype)) for g, _ in pairs]
    total = sum((g * minicnn.tensor(v)).sum() for (g, _), v in zip(pairs, vs, strict=True))
    expected = sum((gt * torch.tensor(v)).sum() for (_, gt), v in zip(pairs, vs, strict=True))
    found = minicnn.autograd.grad(total, inputs, allow_unused=True)
    known = torch.autograd.grad(expected, tinputs, allow_unused=True)
    for i, (g, gt) in enumerate(zip(found, known, strict=True)):
        close(f"second derivative {i}", g, gt, tolerance)


def close(what, y, t, tolerance):
    """Check that a tensor equals a PyTorch tensor; None stands for zeros."""
    if y is None or t is None:
        rest = next((x for x in (y, t) if x is not None), None)
        assert rest is None or not np.any(rest.detach().numpy(force=True)), f"{what}: {y} and {t}"
        return
    expected = t.detach().numpy(force=True)
    assert y.shape == expected.shape, f"{what}: shape {y.shape}, expected {expected.shape}"
    assert y.dtype == expected.dtype, f"{what}: dtype {y.dtype}, expected {expected.dtype}"
    np.testing.assert_allclose(
        y.detach().numpy(), expected, rtol=tolerance, atol=tolerance, err_msg=what
    )


def same_error(ours, theirs, match):
    """Check that both raise, ours an error that `except` clauses for PyTorch's would catch."""
    torch = pytest.importorskip("torch")
    del torch
    with pytest.raises(Exception) as known:
        theirs()
    kind = known.type if known.type is not NotImplementedError else RuntimeError
    with pytest.raises(kind, match=match):
        ours()
        settle()  # on a GPU, indices out of range are found later

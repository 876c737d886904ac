"""Every operation that minicnn shares with PyTorch, on PyTorch's own test inputs.

See `tests/opinfo.py` for what is compared. By default a few inputs of every dtype are run; with
``MINICNN_FULL_AGREEMENT=1`` all, the larger reference inputs included, which takes many minutes.
"""

from __future__ import annotations

import os

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch.testing._internal needs it")
pytest.importorskip("torch.testing._internal.common_methods_invocations")

import opinfo

LIMIT = None if os.environ.get("MINICNN_FULL_AGREEMENT") else 3

NO_BOOL = "bool matrices have no product; PyTorch lets empty ones through"
EMPTY = "an empty tensor of the wrong dtype raises too; PyTorch never looks at it"
TIES = (
    "equal elements keep their order; PyTorch leaves it open, and its sort is not stable by default"
)
SINGULAR = "norms that need singular values are not covered"
KERNEL = "works for all dtypes; PyTorch refuses some that it has a meaning for"

# What differs on purpose, by operation: which kinds of disagreement, and why.
DEVIATIONS = {
    "addmv": ("raises", "alpha and beta with decimals raise for integers; PyTorch cuts them off"),
    "baddbmm": ("raises", "alpha and beta with decimals raise for integers; PyTorch cuts them off"),
    "bernoulli": ("raises", EMPTY),
    "einsum": (
        "raises",
        "floats and int64 only: PyTorch gives small integers several result dtypes",
    ),
    "inner": ("raises", NO_BOOL),
    "linalg.multi_dot": ("raises", NO_BOOL),
    "linalg.norm": ("gradient", "second derivatives at 0 are 0, not NaN"),
    "linalg.vecdot": ("accepts", KERNEL),
    "linalg.vector_norm": ("gradient", "float16 is computed in float32, and overflows later"),
    "linspace": ("raises", "no bool, not even of no elements"),
    "log_softmax": ("raises", EMPTY),
    "logspace": ("raises", "floating dtypes only"),
    "matmul": ("raises", NO_BOOL),
    "mm": ("raises", NO_BOOL),
    "argsort": ("value", TIES),
    "sort": ("value", TIES),
    "topk": ("value", TIES),
    "rand_like": ("raises", EMPTY),
    "randn_like": ("raises", EMPTY),
    "round": ("accepts", "decimals=0 works for integers, as no decimals do"),
    "softmax": ("raises", EMPTY),
    "tensordot": ("raises class", "sizes must be equal; PyTorch also stretches 1"),
    "nn.functional.embedding": (
        "value raises",
        "scale_grad_by_freq turns integer weights into floats",
    ),
    "nn.functional.batch_norm": ("raises", EMPTY + "; and (N, C) is needed"),
    "nn.functional.conv_transpose2d": ("value", "float16 is summed in float32"),
    "nn.functional.dropout": ("raises", "p = 1 raises for integers as every other p does"),
    "nn.functional.dropout2d": ("raises", "p = 1 raises for integers as every other p does"),
    "nn.functional.group_norm": ("raises", "an empty batch of vectors raises"),
    "nn.functional.hardsigmoid": ("gradient", "1/6 is exact; PyTorch rounds it to float32"),
    "nn.functional.hardtanh": ("class", "uint8 with a negative bound: OverflowError"),
    "nn.functional.linear": ("raises", NO_BOOL),
    "nn.functional.local_response_norm": ("raises", "floating dtypes only"),
    "nn.functional.normalize": ("gradient", "float16 is computed in float32, and underflows later"),
    "nn.functional.softmin": ("raises", EMPTY),
}


def intended(found: opinfo.Disagreement, name: str) -> bool:
    """Whether a disagreement is one of DEVIATIONS, or a dtype that PyTorch has no kernel for."""
    if found.kind == "accepts" and "not implemented for '" in found.text:
        return True
    return found.kind in DEVIATIONS.get(name, ("", ""))[0].split()


@pytest.mark.parametrize("op", opinfo.COVERED, ids=lambda op: op.full_name)
def test_operation_agrees_with_pytorch_on_its_own_inputs(op):
    count, found = opinfo.disagreements(op, LIMIT)
    assert count, "no sample could be compared"
    unexpected = [f"{d.kind}: {d.text}" for d in found if not intended(d, op.name)]
    assert not unexpected, "\n".join(unexpected[:5])


def test_most_of_what_the_library_offers_is_compared():
    names = {op.name for op in opinfo.COVERED}
    assert len(names) > 230
    assert {"add", "sum", "__getitem__", "scatter_add", "max", "sort", "einsum", "matmul"} <= names


def test_every_deviation_is_of_an_operation_that_is_compared():
    assert set(DEVIATIONS) <= {op.name for op in opinfo.COVERED}


def test_the_comparison_notices_a_wrong_value_gradient_and_dtype(monkeypatch):
    op = next(op for op in opinfo.COVERED if op.name == "exp")
    wrong = {
        "value": lambda x: x.exp() * 1.001,
        "gradient": lambda x: x.exp() + (x - x.detach()),
        "raises": lambda x: x.exp(base=2),
    }
    for kind, function in wrong.items():
        monkeypatch.setattr(opinfo.minicnn, "exp", function)
        assert kind in {d.kind for d in opinfo.disagreements(op, 2)[1]}

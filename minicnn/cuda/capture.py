"""A whole training step, captured once and replayed: ``step = minicnn.cuda.graph(step)``.

A small network spends more time in Python, and in handing a few hundred kernels to the GPU, than
the GPU spends computing. But every step hands out the same kernels. A CUDA graph keeps them, with
their arguments, and runs them all for the cost of one:

>>> @minicnn.cuda.graph
... def step(images, labels):
...     optimizer.zero_grad()
...     loss = F.cross_entropy(model(images), labels)
...     loss.backward()
...     optimizer.step()
...     return loss
>>> for images, labels in loader:
...     loss = step(images.cuda(), labels.cuda())

*What stays the same in every run:* the addresses. Inputs are copied into buffers that the graph
reads from, results are copied out of others, and all that lies between has memory of its own.

*What Python did while the step was captured, it does not do again.* A number it passed to a kernel
is part of the graph. So the learning rate lies on the device, and is set before a run if a
scheduler has changed it; the optimizer counts its steps on the device; and the keys of dropout's
masks are drawn on the host before each run, as they would be without a graph. After a change of
another option of an optimizer, or of its state by loading one, the step runs once as it is and is
captured again. Anything else that changes needs a new graph: ``model.eval()``, a layer added, a
parameter replaced.

*What cannot be captured raises,* and says why: reading a value (``loss.item()``, ``if loss > 1``),
since there is none yet, and sending a host array to the device, which would be the same in every
run. Checks of labels are made in the runs before the capture only.

Source: NVIDIA, "CUDA C++ Programming Guide", section 3.2.8.7.3 (stream capture).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..autograd.modes import thread
from ..errors import ArgumentError, CaptureError, DeviceError
from ..tensor import Tensor
from .place import Place
from .recording import Recording, on_gpu


class graph:  # lower case, as in PyTorch
    """A function that trains for one step, captured into a CUDA graph for each shape of its inputs.

    The first calls run the step as it is: they make the optimizer's state, compile kernels and
    count as steps. Then it is captured, and run from the graph, which keeps its results apart: each
    call returns copies. With inputs on the CPU the step just runs.

    Args:
        step: takes tensors on the GPU, and anything hashable besides (each value has a graph of its
            own); returns a tensor, or tensors in a tuple, list or dictionary, or None.
        warmup: how many calls run as they are, for each shape; at least 1.

    Raises:
        CaptureError: the step reads from the device, or sends host arrays to it.
    """

    def __init__(self, step: Callable[..., Any], warmup: int = 3):
        if warmup < 1:
            raise ArgumentError(
                f"graph: warmup must be at least 1, got {warmup}: what the first step makes, such "
                "as an optimizer's state, must not be made anew in each run"
            )
        functools.update_wrapper(self, step)
        self.step, self.warmup = step, warmup
        self._place: Place | None = None
        self._recordings: dict[Any, Recording] = {}

    def __call__(self, *inputs: Any) -> Any:
        if not any(on_gpu(x) for x in inputs):
            return self.step(*inputs)
        if thread.recorder is not None:
            raise CaptureError("graph: a captured step cannot be called inside another one")
        recording = self._recordings.setdefault(_key(inputs), Recording())
        self._place = place = self._place or Place()
        if recording.is_outdated():  # a state that was loaded must first come to the device
            recording.graph, recording.runs = None, self.warmup - 1
        if recording.runs < self.warmup:
            recording.runs += 1
            thread.recorder = recording
            try:
                with place.working():
                    return self.step(*inputs)
            finally:
                thread.recorder = None
        if recording.graph is None:
            recording.capture(self.step, inputs, place)
        return recording.replay(inputs)

    def __repr__(self) -> str:
        return f"graph({self.step!r}, warmup={self.warmup})"


def _key(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a graph is captured for: shapes and dtypes of tensors, and all other inputs."""
    key: list[Any] = []
    for i, x in enumerate(inputs):
        if on_gpu(x):
            key.append((x.shape, x.dtype, str(x.device)))
        elif isinstance(x, Tensor):
            raise DeviceError(
                f"graph: input {i} is on the CPU but others on the GPU; move it there"
            )
        elif getattr(x, "__hash__", None) is None:
            raise ArgumentError(
                f"graph: input {i} is a {type(x).__name__}; inputs are tensors, one by one, or "
                "values that can be hashed"
            )
        else:
            key.append(x)
    return tuple(key)

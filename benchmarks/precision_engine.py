"""minicnn or PyTorch at one precision on a GPU: eager, or minicnn's step captured.

The step hands out work and reads nothing, as a training loop does between two lines of its log.
"""

from __future__ import annotations

import contextlib
from typing import Any

from .engines import TorchLike
from .workloads import Workload

PRECISIONS = {
    "fp32": "fp32 without TF32",
    "tf32": "fp32 with TF32",
    "mixed": "mixed precision (float16)",
}


class Precise(TorchLike):
    """An engine on `device` at one of `PRECISIONS`; "minicnn-captured" replays its step."""

    losses = 6  # a captured step runs three times as it is; replays must agree too

    def __init__(self, engine: str, workload: Workload, device: str, precision: str):
        super().__init__(engine, workload, threads=1, device=device)
        self.device, self.mixed = device, precision == "mixed"
        self.lib.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        self.lib.backends.cudnn.allow_tf32 = precision == "tf32"
        self.lib.backends.cudnn.benchmark = engine == "pytorch-channels-last"
        # Less than the default of 2**16, so that no step that is compared overflows.
        self.scaler = self.lib.amp.GradScaler(device, init_scale=2.0**10, enabled=self.mixed)
        self.prepare()

    def prepare(self) -> None:
        """Make the step that is timed; a captured one keeps what dropout was when it was made."""
        captured = self.engine == "minicnn-captured"
        self.train = self.lib.cuda.graph(self.eager) if captured else self.eager

    def precision(self) -> Any:
        """Return the context of a forward pass."""
        if not self.mixed:
            return contextlib.nullcontext()
        return self.lib.autocast(self.device, dtype=self.lib.float16)

    def eager(self, x: Any, target: Any) -> Any:
        """Train for one step; return the loss, unread."""
        self.optimizer.zero_grad()
        with self.precision():
            loss = self.loss(self.model(x), target)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def output(self) -> list[float]:
        """Return values of the output to compare."""
        with self.precision():
            return super().output()

    def check(self) -> list[float]:
        """Return values to compare: of the output, and six steps' losses without dropout."""
        found = super().check()
        if self.dropouts():
            self.prepare()
        return found

    def step(self) -> Any:
        """Do once what is timed; return the loss, unread."""
        return self.train(self.x, self.target)

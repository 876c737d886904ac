"""Embedding: a table from which each index takes its row."""

from __future__ import annotations

from typing import Any

from ..autograd import no_grad
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class Embedding(Module):
    """y = w[x]: a vector for each of `num_embeddings` things, such as words, that is learned.

    Args:
        num_embeddings: how many things there are, V.
        embedding_dim: the length of a vector, D.
        padding_idx: an index whose vector is zero and gets no gradient.
        scale_grad_by_freq: divide a vector's gradient by how often it was looked up.
        max_norm, norm_type, sparse: not covered.
        device, dtype: of the parameter.

    Shape:
        x (...), integers below V; weight (V, D); y (..., D).

    The vectors are drawn from the standard normal distribution.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ArgumentError(
                "Embedding: padding_idx must be within num_embeddings; got "
                f"padding_idx={padding_idx}, num_embeddings={num_embeddings}"
            )
        if max_norm is not None or sparse:
            raise UnsupportedError("Embedding: max_norm and sparse are not covered; leave them out")
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        shape = (num_embeddings, embedding_dim)
        if _weight is not None and _weight.shape != shape:
            raise ShapeError(f"Embedding: the weight must have shape {shape}, got {_weight.shape}")
        weight = empty(shape, device=device, dtype=dtype) if _weight is None else _weight
        self.weight = Parameter(weight, requires_grad=not _freeze)
        if _weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False}
        for name, value in {**usual, "sparse": False}.items():
            if getattr(self, name) != value:
                text += f", {name}={getattr(self, name)}"
        return text

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """Return an Embedding with these vectors (V, D), which are not learned if `freeze`."""
        if embeddings.ndim != 2:
            raise ShapeError(
                f"Embedding: the vectors must be a matrix (V, D), got shape {embeddings.shape}"
            )
        return cls(
            embeddings.shape[0], embeddings.shape[1], padding_idx, max_norm, norm_type,
            scale_grad_by_freq, sparse, _weight=embeddings, _freeze=freeze,
        )  # fmt: skip


__all__ = ["Embedding"]

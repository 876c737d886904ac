"""Your own operation under everything: ``minicnn.replace("conv2d", forward=..., backward=...)``.

Functions of NumPy arrays take the place of an operation, wherever it is used: in `F.conv2d`, in
`nn.Conv2d`, in the models, in a `Trainer`. What is trained then is trained by your mathematics::

    with minicnn.replace("conv2d", forward=my_conv2d, backward=my_conv2d_backward) as replaced:
        trainer.fit(train_data, epochs=1)
    print(replaced.calls.forward, replaced.calls.backward)   # it did run

**What your functions are called with.** Arrays, by position, in this order; `dy` is the gradient of
the loss with respect to the result and has its shape. Leave out last arguments that you do not
support: a layer that needs one of them (`groups=2`, say) then raises, and says so.

=============  ===========================================================  ====================
name           forward(...)                                                 backward(dy, ...)
=============  ===========================================================  ====================
conv2d         x, w, b, stride, padding, dilation, groups                   dx, dw, db
max_pool2d     x, kernel_size, stride, padding, dilation, ceil_mode         dx
avg_pool2d     x, kernel_size, stride, padding, ceil_mode                   dx
batch_norm     x, w, b, eps (training; in evaluation it is the library's)   dx, dw, db
linear         x, w, b                                                      dx, dw, db
matmul         a, b                                                         da, db
relu           x                                                            dx
sigmoid        x                                                            dx
tanh           x                                                            dx
softmax        x, dim                                                       dx
log_softmax    x, dim                                                       dx
cross_entropy  x, target, weight, ignore_index, reduction, label_smoothing  dx
=============  ===========================================================  ====================

`backward` is called with `dy` and then all that `forward` was called with; a parameter named `y`
is given the result of forward as well: ``def backward(dy, y)`` is enough for tanh.

Shapes: x (N, C, H, W) for conv2d and pooling, (N, C, ...) for batch_norm, (..., I) for linear
(mostly (N, I)), (M, C) for cross_entropy; w (F, C / groups, KH, KW), (C,) and (O, I); b (F,), (C,),
(O,) or None; target (M,), int64; a (..., M, K) and b (..., K, N). The geometry is as in `F.conv2d`:
a number where rows and columns agree, else a pair (rows, columns). `dim` counts from the front. A
bias that the layer does not have is None, and its gradient may be None or left out.

The arrays are NumPy's (from a GPU they are copied), contiguous, all floating ones of one dtype, and
read-only: what an operation was given belongs to others.

**What they must return.** New arrays with the shape and the dtype of the library's result: for
forward y, for backward the gradients as a tuple (a single one may stand alone), each with the shape
and dtype of its input. A loss may be a Python number. A wrong shape, a wrong dtype, None, and NaN
or infinity out of finite numbers raise a `ReplacementError` that names your function and where it
is. Your own exceptions come through as they are.

**Only forward, or only backward**: the other stays the library's. With `tensors=True` your backward
is given tensors and returns tensors; then, and only then, second derivatives exist.

**Optimizers**: ``minicnn.replace("adam", step=my_step)``. A step is called for each parameter p
with its gradient g, and returns the new p and the new state, all of p's shape and dtype. State
begins as zeros; g contains the weight decay already.

========  =======================================  ===========  ===========================
name      step(...)                                returns      takes the place of
========  =======================================  ===========  ===========================
sgd       p, g, lr                                 p            SGD without momentum
momentum  p, g, v, lr, momentum                    p, v         SGD with momentum
adagrad   p, g, s, lr, eps                         p, s         Adagrad
rmsprop   p, g, s, lr, alpha, eps                  p, s         RMSprop
adam      p, g, m, v, t, lr, beta1, beta2, eps     p, m, v      Adam and AdamW; t = 1, 2, ...
========  =======================================  ===========  ===========================

**How far it reaches.** Of the operation, not of one layer: a convolution inside another
derivative is one too. It holds for the whole process, in every thread, from the call of `replace`
until `undo` or the end of the `with` block; `minicnn.replacement.restore()` undoes all there are.
The last replacement of a name hides the ones before, and they are back when it is undone. Inside
your functions the same name means the library's own. While nothing is replaced, nothing of this
costs anything.
"""

from __future__ import annotations

from .places import OPS, STEPS
from .replaced import Calls, Replaced, replace, restore

__all__ = ["OPS", "STEPS", "Calls", "Replaced", "replace", "restore"]

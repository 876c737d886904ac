# %% [markdown]
# # 2. Gradient checking
#
# A wrong gradient raises no error. The network still learns, only worse, and nobody knows why. This
# notebook shows how to find out whether a derivative is right, without trusting the derivation.
#
# - **Known before:** [notebook 1](01_tensors_and_the_tape.ipynb); Taylor's formula.
# - **Known after:** how large a step of a finite difference should be, and why; why checks run in
#   float64; how to check a million derivatives with two evaluations; what a kink is, and how to
#   tell it from a bug; how to use `minicnn.gradcheck`.
# - **Time:** 60 minutes. The notebook runs in 10 seconds.
# - **Source:** [`minicnn/gradcheck/__init__.py`](../minicnn/gradcheck/__init__.py),
#   [`problem.py`](../minicnn/gradcheck/problem.py),
#   [`compare.py`](../minicnn/gradcheck/compare.py),
#   [`jacobian.py`](../minicnn/gradcheck/jacobian.py),
#   [`causes.py`](../minicnn/gradcheck/causes.py).

# %%
import itertools
import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np

import minicnn
import minicnn.nn as nn
import minicnn.nn.functional as F
from minicnn.autograd import Function
from minicnn.data.datasets import available
from minicnn.errors import GradcheckError, KinkWarning

minicnn.manual_seed(0)
plt.style.use("minicnn.visualize.course")

# %% [markdown]
# ## A mistake that nobody notices
#
# Here is a ReLU with a mistake in its backward pass. It should let the gradient pass where the
# input was positive, and it lets it pass everywhere.


# %%
class WrongReLU(Function):
    @staticmethod
    def forward(ctx, x):
        return x * (x > 0)

    @staticmethod
    def backward(ctx, dy):
        return dy  # where x <= 0 it should be 0


Images = available("mnist", "digits")
data = Images(train=True)
rows = range(min(len(data), 1500))
pixels = minicnn.stack([data[i][0].flatten() for i in rows])  # (N, D)
labels = minicnn.tensor([data[i][1] for i in rows])


def train(activation, steps=300, lr=0.1):
    minicnn.manual_seed(0)
    sizes = [pixels.shape[1], 32, 32, 10]
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    parameters = [p for layer in layers for p in layer.parameters()]
    losses = []
    for _ in range(steps):
        y = pixels
        for layer in layers[:-1]:
            y = activation(layer(y))
        loss = F.cross_entropy(layers[-1](y), labels)
        for p, dp in zip(parameters, minicnn.autograd.grad(loss, parameters), strict=True):
            p.data -= lr * dp
        losses.append(loss.item())
    return losses


right, wrong = train(F.relu), train(WrongReLU.apply)
figure, axes = plt.subplots(figsize=(6, 2.8))
axes.plot(right, label="right gradient")
axes.plot(wrong, "--", label="wrong gradient")
axes.set(xlabel="step", ylabel="training loss", yscale="log")
axes.grid(True)
axes.legend()
plt.show()
print(f"after {len(right)} steps: right {right[-1]:.3f}, wrong {wrong[-1]:.3f}")
assert wrong[-1] < 0.5 * wrong[0], "it learns all the same"
assert wrong[-1] > right[-1], "but worse"

# %% [markdown]
# Nobody who sees only the dashed curve would look for a bug.
#
# ## Finite differences
#
# The definition of the derivative needs nothing but values of the function. Taylor's formula says
# how wrong it is for a step $h$ that is not infinitely small:
#
# $$ f(x \pm h) = f(x) \pm h f'(x) + \tfrac{h^2}{2} f''(x) \pm \tfrac{h^3}{6} f'''(x) + \ldots $$
#
# The **forward difference** and the **central difference** are
#
# $$ \frac{f(x+h) - f(x)}{h} = f'(x) + \tfrac{h}{2} f''(x) + \ldots, $$
#
# $$ \frac{f(x+h) - f(x-h)}{2h} = f'(x) + \tfrac{h^2}{6} f'''(x) + \ldots $$
#
# In the central one the term with $f''$ has cancelled. For the same number of evaluations its error
# is of the order of $h^2$ instead of $h$.
#
# So make $h$ tiny? No. A computer rounds: it knows $f(x)$ only up to about $\varepsilon\,|f(x)|$,
# where $\varepsilon$ is $6 \cdot 10^{-8}$ in float32 and $1.1 \cdot 10^{-16}$ in float64. The
# difference of two nearly equal values keeps these absolute errors, and the division by $h$ makes
# them large:
#
# $$ \text{error}(h) \;\approx\; \underbrace{\frac{h^2}{6} |f'''|}_{\text{formula}} \;+\;
#    \underbrace{\frac{\varepsilon\,|f|}{h}}_{\text{rounding}} . $$
#
# One term grows with $h$, the other falls. The sum is smallest where its derivative is zero,
#
# $$ h^* = \sqrt[3]{\frac{3\varepsilon |f|}{|f'''|}} \;\sim\; \varepsilon^{1/3}, $$
#
# and for the forward difference
#
# $$ h^* = 2 \sqrt{\frac{\varepsilon |f|}{|f''|}} \;\sim\; \varepsilon^{1/2} . $$
#
# In float64, $\varepsilon^{1/3}$ is about $5 \cdot 10^{-6}$. Let us look.


# %%
def f(x):
    return np.exp(np.sin(3 * x))


def true_derivative(x):
    return 3 * np.cos(3 * x) * np.exp(np.sin(3 * x))


def differences(dtype, steps):
    """The relative errors of both differences at 0.3, computed in this precision."""
    x, h = dtype(0.3), steps.astype(dtype)
    forward = (f(x + h) - f(x)) / h
    central = (f(x + h) - f(x - h)) / (2 * h)
    truth = true_derivative(np.float64(x))
    return [abs(d.astype(np.float64) - truth) / abs(truth) for d in (forward, central)]


steps = np.logspace(-14, 0, 225)
figure, panels = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
best = {}
for axes, dtype, least in zip(panels, (np.float32, np.float64), (1e-6, 1e-14), strict=True):
    used = steps[steps > least]
    for error, name in zip(differences(dtype, used), ("forward", "central"), strict=True):
        axes.loglog(used, np.maximum(error, 1e-17), ".", markersize=3, label=name)
        best[dtype, name] = error.min(), used[error.argmin()]
    eps = np.finfo(dtype).eps / 2
    axes.axvline(eps ** (1 / 2), color="C0", linestyle=":", label="$\\varepsilon^{1/2}$")
    axes.axvline(eps ** (1 / 3), color="C1", linestyle=":", label="$\\varepsilon^{1/3}$")
    axes.set(xlabel="step $h$", title=dtype.__name__, ylim=(1e-13, 10))
    axes.grid(True)
panels[0].set_ylabel("relative error")
panels[1].legend(loc="lower left", fontsize=9)
plt.show()

# %% [markdown]
# Read each curve from right to left. First the error falls, with slope 1 (forward) or 2 (central):
# the formula gets better. Then it rises, ragged, with slope $-1$: rounding takes over.
#
# The rest of the notebook, and `minicnn.gradcheck`, follow from the two valleys. In float32 the
# best that can be had is about five digits, and only by luck with the step. In float64 there are
# ten. So **check in float64, with central differences and a step near $10^{-6}$**. Whether the code
# is right does not depend on the precision.

# %%
for (dtype, name), (error, h) in best.items():
    print(f"{dtype.__name__} {name:<8} best step {h:.0e}, error there {error:.0e}")
assert best[np.float64, "central"][0] < 1e-9 < best[np.float32, "central"][0]
(central_at_1e6,) = differences(np.float64, np.array([1e-6]))[1]
assert central_at_1e6 < 1e-8

# %% [markdown]
# ## When are two numbers the same?
#
# An absolute bound alone fails for gradients of $10^{6}$, a relative one for gradients near 0,
# where rounding is all there is. So both are used, as in `np.testing.assert_allclose`:
#
# $$ |\text{backward} - \text{difference}| \;\le\; \text{atol} + \text{rtol} \cdot
#    |\text{difference}| . $$
#
# ## Checking every element
#
# Now for a function of an array. Move one element at a time. Here is the whole of it, for a
# function with one number as its result.


# %%
def numerical_gradient(function, x, h=1e-6):
    """The gradient of function(x), a number, by central differences; x is an array."""
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        here = x[i]
        x[i] = here + h
        above = function(x)
        x[i] = here - h
        below = function(x)
        x[i] = here
        gradient[i] = (above - below) / (2 * h)
    return gradient


rng = np.random.default_rng(0)
x = rng.normal(size=(4, 5))
target = np.array([0, 3, 1, 4])


def loss_in_numpy(scores):
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(target)), target].mean()


t = minicnn.tensor(x, requires_grad=True)
F.cross_entropy(t, minicnn.tensor(target)).backward()
np.testing.assert_allclose(t.grad.numpy(), numerical_gradient(loss_in_numpy, x), atol=1e-9)

# %% [markdown]
# That the check compares two *different* roads is what makes it worth something. The backward pass
# was derived by somebody with a pencil; the difference knows only values. A mistake in the
# derivation cannot be in both.
#
# ## Two evaluations instead of two million
#
# Each element costs two evaluations. For a layer with a million weights that is out of the
# question. Project instead. Let $J$ be the Jacobian, $J_{ij} = \partial y_i / \partial x_j$, of a
# function with many outputs. The backward pass computes $J^\top v$ for any $v$ that it starts from.
# A difference along a direction $u$ computes $J u$. Both give the number $v^\top J u$:
#
# $$ \langle J^\top v, u \rangle \quad=\quad
#    \Big\langle v, \frac{y(x + h u) - y(x - h u)}{2h} \Big\rangle . $$
#
# One backward pass and two evaluations, whatever the size.


# %%
def projections(function, x, u, v, h=1e-6):
    """The number <v, J u>, by the backward pass and by a central difference."""
    t = minicnn.tensor(x, requires_grad=True)
    (dx,) = minicnn.autograd.grad(function(t), t, minicnn.tensor(v))
    backward = (dx.numpy() * u).sum()
    above, below = (function(minicnn.tensor(x + s * h * u)).numpy() for s in (1, -1))
    return backward, (v * (above - below) / (2 * h)).sum()


w = minicnn.tensor(rng.normal(size=(8, 3, 3, 3)))
x = rng.normal(size=(2, 3, 16, 16))
u, v = rng.normal(size=x.shape), rng.normal(size=(2, 8, 16, 16))
backward, difference = projections(lambda t: F.conv2d(t, w, padding=1), x, u, v)
print(f"backward {backward:.10f}, difference {difference:.10f}")
np.testing.assert_allclose(backward, difference, rtol=1e-7)

# %% [markdown]
# Can a wrong gradient hide? If the backward pass uses $J + E$ with an error $E$, then the two
# numbers differ by $v^\top E u$. For random $u$ and $v$ this is zero with probability zero, but it
# may be small. How small? If a *single* element of $J$ is wrong, the difference is $E_{ij} v_i
# u_j$, and it is small whenever $v_i$ or $u_j$ happens to be near 0. So minicnn draws no numbers
# near 0: the components have a random sign and a size from 0.5 to 1.5.

# %%
draws = 20_000
normal = abs(rng.normal(size=draws) * rng.normal(size=draws))
away = rng.uniform(0.5, 1.5, draws) * rng.uniform(0.5, 1.5, draws)
figure, axes = plt.subplots(figsize=(6, 2.8))
bins = np.logspace(-5, 1, 80)
axes.hist(normal, bins, alpha=0.6, label="$u, v$ normal")
axes.hist(away, bins, alpha=0.6, label="$u, v$ of size 0.5 to 1.5")
axes.set(xscale="log", xlabel="$|v_i u_j|$: how much of an error in one element is seen")
axes.set_ylabel("draws")
axes.legend(loc="upper left")
plt.show()
assert away.min() > 0.25 and (normal < 0.01).mean() > 0.02

# %% [markdown]
# An error in one element out of thousands must also stand out from the rounding of the whole sum.
# So, where the projections disagree by more than rounding explains, minicnn looks closer. It halves
# the inputs, then the outputs, and follows the half with the larger disagreement down to a block
# small enough for every element to be compared.
#
# ## Kinks
#
# ReLU has no derivative at 0: its slope is 0 on the left and 1 on the right. Nor has a maximum at a
# tie. A central difference *across* the kink gives something between.

# %%
offset = np.linspace(-3e-6, 3e-6, 601)
h = 1e-6
central = (np.maximum(offset + h, 0) - np.maximum(offset - h, 0)) / (2 * h)
figure, axes = plt.subplots(figsize=(6, 2.6))
axes.plot(offset, offset > 0, label="what a backward pass says")
axes.plot(offset, central, "--", label="central difference, $h = 10^{-6}$")
axes.set(xlabel="$x$", ylabel="slope of ReLU at $x$")
axes.legend()
axes.grid(True)
plt.show()

# %% [markdown]
# Within $h$ of the kink the two disagree, and nobody has made a mistake. In a network with a
# million ReLUs some input always lies there. How can a program tell this from a bug?
#
# Compare the slopes to the left and to the right, with the step $h$ and with $h / 10$. Where $f$ is
# smooth the two slopes differ by about $h |f''|$: that gap shrinks with the step. At a kink it does
# not.


# %%
def gap(function, x, h):
    """The slope to the right minus the slope to the left."""
    left = (function(x) - function(x - h)) / h
    right = (function(x + h) - function(x)) / h
    return abs(right - left)


for name, function, x in [
    ("ReLU at 0", lambda x: max(x, 0.0), 0.0),
    ("|x| at 0", abs, 0.0),
    ("x² at 0, strongly curved", lambda x: 1e5 * x * x, 0.0),
    ("exp at 1", np.exp, 1.0),
]:
    wide, narrow = gap(function, x, 1e-4), gap(function, x, 1e-5)
    verdict = "kink" if narrow > wide / 5 else "smooth"
    print(f"{name:<25} gap {wide:8.2g} -> {narrow:8.2g}   {verdict}")
    assert verdict == ("kink" if name.endswith("at 0") else "smooth")

# %% [markdown]
# `minicnn.gradcheck` does the same. Where there is a kink it says so and goes on; the gradient that
# the backward pass chose must still lie between the two slopes.

# %%
x = minicnn.tensor([-1.0, 0.0, 2.0], dtype=minicnn.float64, requires_grad=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert minicnn.gradcheck(F.relu, x)
(warning,) = caught
assert warning.category is KinkWarning
print(textwrap.fill(str(warning.message), 90))

# %% [markdown]
# ## `minicnn.gradcheck` finds planted mistakes
#
# Its arguments are a function and its inputs, in float64. It returns True or raises, and then says
# which element, both values, and what kind of mistake leaves such a pattern. First the ReLU of the
# beginning:


# %%
def failure(function, *inputs):
    """Let gradcheck find the mistake, and return what it says."""
    try:
        minicnn.gradcheck(function, inputs)
    except GradcheckError as error:
        return str(error)
    raise AssertionError("the mistake went unnoticed")


def draw(*shape):
    return minicnn.tensor(rng.normal(size=shape), requires_grad=True)


said = failure(WrongReLU.apply, draw(3, 4))
print(textwrap.fill(said, 90))
assert "the backward pass says 1, a central difference 0" in said

# %% [markdown]
# Three mistakes that everybody makes once, in a dense layer $Y = X W^\top + b$:


# %%
class Dense(Function):
    """y = x w^T + b; `mistake` says what backward does wrong."""

    @staticmethod
    def forward(ctx, x, w, b, mistake):
        ctx.save_for_backward(x, w)
        ctx.mistake = mistake
        return x @ w.T + b

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx, dw, db = dy @ w, dy.T @ x, dy.sum(0)
        if ctx.mistake == "transposed":
            dw = (x.T @ dy).reshape(dw.shape)
        if ctx.mistake == "mean for sum":
            db = dy.mean(0)
        if ctx.mistake == "first sample only":
            db = dy[0]
        return dx, dw, db, None


def dense(mistake):
    return lambda x, w, b: Dense.apply(x, w, b, mistake)


assert minicnn.gradcheck(dense("none"), (draw(6, 4), draw(4, 4), draw(4)))

for mistake, word in [
    ("transposed", "transpose"),
    ("mean for sum", "0.166667 times"),  # 1/6: there are six samples
    ("first sample only", "sum over the batch"),
]:
    said = failure(dense(mistake), draw(6, 4), draw(4, 4), draw(4))
    cause = said.partition("Likely cause: ")[2]
    print(textwrap.fill(f"planted: {mistake}. Found: {cause}", 90, subsequent_indent="    "))
    assert word in cause

# %% [markdown]
# Why does it know? In a wrong Jacobian $A$ beside the right one $N$, mistakes leave patterns: $A =
# -N$ is a sign, $A = 2N$ something counted twice, $A = N / B$ a mean where a sum belongs, zeros in
# all columns but one a missing sum. [`causes.py`](../minicnn/gradcheck/causes.py) tries one after
# the other.
#
# ## Second derivatives
#
# The backward pass is a function too, and `gradgradcheck` checks *its* derivative. It finds what
# the first check cannot: a backward that is right and cannot be differentiated again.


# %%
class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x.detach()  # cut from the tape: the first derivative is right all the same
        return x**3

    @staticmethod
    def backward(ctx, dy):
        return dy * 3 * ctx.x**2


x = draw(5)
assert minicnn.gradcheck(Cube.apply, x)
try:
    minicnn.gradgradcheck(Cube.apply, x)
except GradcheckError as error:
    print(textwrap.fill(str(error), 90))
else:
    raise AssertionError("the mistake went unnoticed")
assert minicnn.gradgradcheck(lambda x: x**3, x)

# %% [markdown]
# ## Everything
#
# A whole network can be checked, its parameters included, and it costs as little as a layer. (The
# command `minicnn gradcheck` checks every operation and layer that minicnn has.)

# %%
model = nn.Sequential(
    nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 10)
).double()
count = sum(p.numel() for p in model.parameters())
assert minicnn.gradcheck(model, minicnn.randn(2, 1, 8, 8, dtype=minicnn.float64))
print(f"{count} parameters checked")

# %% [markdown]
# ## Exercises
#
# Write them with `minicnn course start exercises`, check them with `minicnn course check 02`.
# For discussion:
#
# 1. Derive $h^*$ for the forward difference. How does it move when $|f|$ is $10^6$ and the slope 1?
# 2. The formula $\big(f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)\big) / 12h$ has an error of
#    the order of $h^4$. Where is its valley in float32, and how deep?
# 3. Why would a network with dropout fail the check, and how does `gradcheck` notice the reason?
# 4. Find a wrong gradient that the check passes: choose the *inputs* badly, not the directions.
# 5. For a function with complex inputs, $\operatorname{Im} f(x + ih) / h$ has no difference in it.
#    How small may $h$ be, and why? Try it on the $f$ of this notebook.
#
# Sources: J. Nocedal and S. Wright 2006, *Numerical Optimization*, section 8.1 (the step); the
# projection is in the spirit of R. Freivalds 1977, "Probabilistic machines can use less running
# time" (checking a matrix product by a random vector).
#
# Next: [3. Convolution](03_convolution.ipynb)

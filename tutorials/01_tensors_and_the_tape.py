# %% [markdown]
# # 1. Tensors and the tape
#
# A network with a million parameters needs a million derivatives for each step of its training.
# All of them together cost about as much as two or three evaluations of the network. This notebook
# says why, and builds the program that does it, from nothing.
#
# - **Known before:** [notebook 0](00_quick_start.ipynb); derivatives and the chain rule; matrix
#   products.
# - **Known after:** what a tape is and what it keeps; why gradients are computed backwards; what a
#   derivative must do about broadcasting and about values used twice; how second derivatives come
#   for free; why a change in place can be an error.
# - **Time:** 75 minutes. The notebook runs in 10 seconds.
# - **Source:** [`minicnn/autograd/__init__.py`](../minicnn/autograd/__init__.py),
#   [`op.py`](../minicnn/autograd/op.py), [`node.py`](../minicnn/autograd/node.py),
#   [`engine.py`](../minicnn/autograd/engine.py), [`modes.py`](../minicnn/autograd/modes.py), and
#   [`minicnn/ops/inplace.py`](../minicnn/ops/inplace.py).

# %%
import itertools
import textwrap
import time

import matplotlib.pyplot as plt
import numpy as np

import minicnn
import minicnn.nn.functional as F
from minicnn.data.datasets import available
from minicnn.errors import GraphError, InPlaceError

minicnn.manual_seed(0)
plt.style.use("minicnn.visualize.course")

# %% [markdown]
# ## One example, by hand
#
# Take a function of two numbers,
#
# $$ y = \log x_1 + x_1 x_2 - \sin x_2 . $$
#
# A computer evaluates it in small steps, each with a derivative that is in every table:
#
# $$ v_1 = \log x_1, \quad v_2 = x_1 x_2, \quad v_3 = \sin x_2, $$
#
# $$ v_4 = v_1 + v_2, \quad y = v_4 - v_3 . $$
#
# The chain rule puts the small derivatives together. There are two orders in which to do that.
#
# **Forward.** Choose an input, say $x_1$, and compute $\partial v / \partial x_1$ for each step
# $v$, in the order of the evaluation. One walk gives the derivatives of everything with respect to
# *one input*. A network has one output, its loss, and a million inputs, its parameters: a million
# walks.
#
# **Backward.** Write $\bar v = \partial y / \partial v$ for the gradient of the output with respect
# to a step. We know $\bar y = 1$. If we know $\bar v$, and $v$ was made from $u$, then the chain
# rule says what $u$ gets from $v$:
#
# $$ \bar u \;\leftarrow\; \bar u + \bar v \, \frac{\partial v}{\partial u} . $$
#
# One walk, from the output back, gives the derivatives of *one output* with respect to everything.
# That is the order for us. It is called **reverse mode**, or backpropagation. Its price: the walk
# needs the evaluation in reverse, so somebody must have written it down. What was written down is
# the **tape**.
#
# Why the sum, $\bar u + \ldots$? In the example $x_1$ is used twice, in $v_1$ and in $v_2$. If it
# moves, both move, and $y$ changes by the sum of what they contribute:
#
# $$ \bar x_1 = \bar v_1 \frac{1}{x_1} + \bar v_2\, x_2 . $$

# %% [markdown]
# ## A tape in sixty lines
#
# A `Var` is an array that remembers which `Var`s it was made from and, for each of them, the line
# of mathematics $\bar v \mapsto \bar v\,\partial v / \partial u$, as a function. Gradients will be
# called `dy`, `dx`, as in minicnn.
#
# One decision pays off later: `dy` is a `Var` too, and the derivatives are written in operations on
# `Var`s.


# %%
class Var:
    """An array that remembers how it was made: pairs of a Var and its derivative, dy -> dx."""

    __array_ufunc__ = None  # so that `array * var` asks the Var
    count = itertools.count()

    def __init__(self, value, *parents, name=""):
        self.value = np.asarray(value, dtype=np.float64)
        self.parents = parents
        self.name = name
        self.order = next(Var.count)  # later ones were made from earlier ones

    def __add__(self, other):
        a, b = self, as_var(other)
        da, db = (lambda dy: sum_to(dy, a)), (lambda dy: sum_to(dy, b))
        return Var(a.value + b.value, (a, da), (b, db), name="+")

    def __mul__(self, other):
        a, b = self, as_var(other)
        da, db = (lambda dy: sum_to(dy * b, a)), (lambda dy: sum_to(dy * a, b))
        return Var(a.value * b.value, (a, da), (b, db), name="×")

    __radd__, __rmul__ = __add__, __mul__

    def __sub__(self, other):
        a, b = self, as_var(other)
        da, db = (lambda dy: sum_to(dy, a)), (lambda dy: sum_to(dy * -1.0, b))
        return Var(a.value - b.value, (a, da), (b, db), name="−")

    def __matmul__(self, b):
        da, db = (lambda dy: dy @ b.T), (lambda dy: self.T @ dy)
        return Var(self.value @ b.value, (self, da), (b, db), name="@")

    @property
    def T(self):
        return Var(self.value.T, (self, lambda dy: dy.T), name="T")

    def sum(self, axis=None):
        y = self.value.sum(axis, keepdims=True)
        return Var(y, (self, lambda dy: expand(dy, self.value.shape)), name="sum")


def as_var(x):
    return x if isinstance(x, Var) else Var(x)


def expand(x, shape):
    return Var(np.broadcast_to(x.value, shape), (x, lambda dy: sum_to(dy, x)), name="expand")


def sum_to(dy, x):
    """The sum of dy over all axes along which x was repeated."""
    if dy.value.shape == x.value.shape:
        return dy
    before = dy.value.ndim - x.value.ndim
    axes = [i for i in range(dy.value.ndim) if i < before or x.value.shape[i - before] == 1]
    total = dy.value.sum(tuple(axes)).reshape(x.value.shape)
    return Var(total, (dy, lambda g: expand(g, dy.value.shape)), name="sum")


def grad(y, inputs):
    """The gradients of the sum of y with respect to each of the inputs, as Vars."""
    nodes, stack = {y}, [y]
    while stack:  # find everything that y was made from
        for parent, _ in stack.pop().parents:
            if parent not in nodes:
                nodes.add(parent)
                stack.append(parent)
    arrived = {y: Var(np.ones_like(y.value))}
    for node in sorted(nodes, key=lambda node: -node.order):  # the newest first
        for parent, derivative in node.parents:
            dx = derivative(arrived[node])
            arrived[parent] = arrived[parent] + dx if parent in arrived else dx
    return [arrived[x] for x in inputs]


# %% [markdown]
# That is all. `grad` is the walk. It visits the newest nodes first, so that a node's turn comes
# only when everything that was made from it has sent its part.
#
# The functions of analysis are one line of forward and one of derivative each.


# %%
def log(x):
    return Var(np.log(x.value), (x, lambda dy: dy * power(x, -1)), name="log")


def exp(x):
    return Var(np.exp(x.value), (x, lambda dy: dy * exp(x)), name="exp")


def sin(x):
    return Var(np.sin(x.value), (x, lambda dy: dy * cos(x)), name="sin")


def cos(x):
    return Var(np.cos(x.value), (x, lambda dy: dy * sin(x) * -1.0), name="cos")


def power(x, n):
    return Var(x.value**n, (x, lambda dy: dy * n * power(x, n - 1)), name=f"^{n}")


def relu(x):
    is_on = (x.value > 0).astype(np.float64)
    return Var(x.value * is_on, (x, lambda dy: dy * is_on), name="relu")


# %%
x1, x2 = Var(2.0, name="$x_1$"), Var(5.0, name="$x_2$")
y = log(x1) + x1 * x2 - sin(x2)
dx1, dx2 = grad(y, [x1, x2])
print(f"y = {y.value:.4f}, dy/dx1 = {dx1.value:.4f}, dy/dx2 = {dx2.value:.4f}")

np.testing.assert_allclose(dx1.value, 1 / 2.0 + 5.0, rtol=1e-15)
np.testing.assert_allclose(dx2.value, 2.0 - np.cos(5.0), rtol=1e-15)

# %% [markdown]
# Here is the tape as a graph. Values flow from left to right (upper number of each box), gradients
# from right to left (lower number). Follow $x_1$: it receives $0.5$ from the logarithm and $5$ from
# the product.


# %%
def places(y):
    """Every node that y was made from with a place to draw it: (column, height)."""
    column, nodes = {}, [y]
    for node in nodes:  # the list grows while we walk it
        nodes += [p for p, _ in node.parents if p not in nodes]
    nodes.sort(key=lambda node: node.order)
    for node in nodes:
        column[node] = 1 + max((column[p] for p, _ in node.parents), default=-1)
    place = {}
    for c in range(max(column.values()) + 1):
        here = [node for node in nodes if column[node] == c]
        for i, node in enumerate(here):
            place[node] = (c, (len(here) - 1) / 2 - i)
    return place


def draw(y):
    place = places(y)
    gradients = dict(zip(place, grad(y, list(place)), strict=True))
    figure, axes = plt.subplots(figsize=(7, 3))
    for node, (c, h) in place.items():
        for parent, _ in node.parents:
            style = {"arrowstyle": "-|>", "color": "#888888", "shrinkA": 22, "shrinkB": 24}
            axes.annotate("", (c, h), place[parent], arrowprops=style)
        text = f"{node.name}\n{node.value:.3g}\n{gradients[node].value:.3g}"
        colour = "#cfe4f3" if node.parents else "#f9dcc8"
        box = {"boxstyle": "round,pad=0.4", "facecolor": colour, "edgecolor": "none"}
        axes.text(c, h, text, ha="center", va="center", bbox=box)
    columns, heights = zip(*place.values(), strict=True)
    axes.set(xlim=(-0.5, max(columns) + 0.5), ylim=(min(heights) - 0.6, max(heights) + 0.6))
    axes.set_title("name, value, gradient of the output with respect to it")
    axes.axis("off")
    plt.show()


draw(y)

# %% [markdown]
# ## minicnn's tape does the same
#
# In minicnn the array is called `Tensor`, as in PyTorch. Only what is made from a tensor with
# `requires_grad=True` is written on the tape. `grad_fn` is the node that made a tensor.

# %%
t1 = minicnn.tensor(2.0, dtype=minicnn.float64, requires_grad=True)
t2 = minicnn.tensor(5.0, dtype=minicnn.float64, requires_grad=True)
t = t1.log() + t1 * t2 - t2.sin()
theirs = minicnn.autograd.grad(t, (t1, t2), retain_graph=True)

np.testing.assert_allclose(y.value, t.item(), rtol=1e-15)
np.testing.assert_allclose(dx1.value, theirs[0].item(), rtol=1e-15)
np.testing.assert_allclose(dx2.value, theirs[1].item(), rtol=1e-15)


def show(node, depth=0):
    """Print a node of minicnn's tape, what it keeps for its derivative, and its inputs."""
    if hasattr(node, "next_functions"):
        print(f"{'    ' * depth}{node.name:<4} keeps {', '.join(node.saved) or 'nothing'}")
        for parent, _ in node.next_functions:
            show(parent, depth + 1)
    else:
        print(f"{'    ' * depth}the input {node.item()}")


show(t.grad_fn)

# %% [markdown]
# A difference worth noting. Our lambdas keep whatever they mention, that is, everything. A node of
# minicnn keeps only what a derivative asks for: a sum keeps nothing, a product keeps its factors.
# In a deep network that decides how large a batch fits into memory. It works because an operation
# in minicnn is a class with one method per derivative, and the engine reads from the method's
# parameters what it needs:
#
# ```python
# class Mul(Op):
#     def forward(self, a, b):
#         return a * b
#
#     def da(self, dy, b):      # wants b: so b is kept
#         return dy * b
#
#     def db(self, dy, a):
#         return dy * a
# ```
#
# ## Arrays: broadcasting is a sum in reverse
#
# Let $y_{ij} = x_{ij} + b_j$: one $b$ was added to every row. If $b_j$ moves, a whole column of $y$
# moves. So its gradient is the sum of the column,
#
# $$ \bar b_j = \sum_i \bar y_{ij} \frac{\partial y_{ij}}{\partial b_j} = \sum_i \bar y_{ij} . $$
#
# Whatever is repeated forward is summed backward, and what is summed forward is repeated backward.
# `sum_to` and `expand` are each other's derivatives.
#
# A matrix product, $Y = A B$, that is $Y_{ik} = \sum_j A_{ij} B_{jk}$, has
#
# $$ \bar A_{ij} = \sum_k \bar Y_{ik} B_{jk}, \quad \text{so} \quad \bar A = \bar Y B^\top, $$
#
# and likewise $\bar B = A^\top \bar Y$.
#
# ## A network on our own tape
#
# With that a network can be trained: two dense layers, and the loss of notebook 6,
# the mean of $-\log p_{\text{label}}$ with $p = \operatorname{softmax}(\text{scores})$.

# %%
Images = available("mnist", "digits")
data = Images(train=True)
rows = range(min(len(data), 1500))
pixels = np.stack([data[i][0].numpy().ravel() for i in rows]).astype(np.float64)  # (N, D)
labels = np.array([data[i][1] for i in rows])
chosen = np.eye(10)[labels]  # (N, 10), a 1 in the column of the label

rng = np.random.default_rng(0)
n, d, hidden = len(pixels), pixels.shape[1], 32
start = [
    rng.normal(0, (2 / d) ** 0.5, (d, hidden)),
    np.zeros(hidden),
    rng.normal(0, (2 / hidden) ** 0.5, (hidden, 10)),
    np.zeros(10),
]


def network(x, w1, b1, w2, b2):
    return relu(x @ w1 + b1) @ w2 + b2


def loss_of(parameters):
    scores = network(Var(pixels), *parameters)  # (N, 10)
    log_sum = log(exp(scores).sum(axis=1))  # (N, 1)
    return (log_sum - (scores * chosen).sum(axis=1)).sum() * (1 / n)


parameters = [Var(p) for p in start]
loss = loss_of(parameters)
gradients = grad(loss, parameters)
print(f"loss {loss.value.item():.4f}; gradients of shapes {[g.value.shape for g in gradients]}")

# %% [markdown]
# The same in minicnn, and the same gradients. The tolerance is a few roundings of float64
# ($1.1 \cdot 10^{-16}$ each): both compute the same sums, in another order.

# %%
tensors = [minicnn.tensor(p, requires_grad=True) for p in start]
w1, b1, w2, b2 = tensors
scores = F.relu(minicnn.tensor(pixels) @ w1 + b1) @ w2 + b2
their_loss = F.cross_entropy(scores, minicnn.tensor(labels))
their_loss.backward()  # puts the gradient of each tensor into its .grad

np.testing.assert_allclose(loss.value.item(), their_loss.item(), rtol=1e-12)
for mine, theirs in zip(gradients, tensors, strict=True):
    np.testing.assert_allclose(mine.value, theirs.grad.numpy(), rtol=1e-9, atol=1e-14)

# %% [markdown]
# So our sixty lines can train. All the images at once, and a step of each parameter against its
# gradient (that is gradient descent, the subject of notebook 7).

# %%
losses = []
for _ in range(120):
    loss = loss_of(parameters)
    losses.append(loss.value.item())
    gradients = grad(loss, parameters)
    parameters = [Var(p.value - 0.5 * g.value) for p, g in zip(parameters, gradients, strict=True)]

predicted = network(Var(pixels), *parameters).value.argmax(axis=1)
accuracy = (predicted == labels).mean()
figure, axes = plt.subplots(figsize=(5, 2.6))
axes.plot(losses)
axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
axes.set_title(f"trained on our own tape: {accuracy:.1%} of the training images right")
axes.grid(True)
plt.show()
assert accuracy > 0.85

# %% [markdown]
# ## What the backward walk costs
#
# Each step's derivative costs about as much as the step, or twice that for a product with two
# inputs. So the whole gradient costs a small multiple of one evaluation, *however many inputs there
# are*. Finite differences, $(f(x + h e_i) - f(x)) / h$, need one evaluation for each of them.


# %%
def seconds(function, times=5):
    """The shortest of a few measurements: the one that was disturbed least."""
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        function()
        spent.append(time.perf_counter() - begin)
    return min(spent)


count = sum(p.value.size for p in parameters)
one = seconds(lambda: loss_of(parameters))
all_backward = seconds(lambda: grad(loss_of(parameters), parameters))
costs = {
    "the loss": one,
    f"the loss and its {count:,} derivatives, backward": all_backward,
    "the same by differences (calculated)": one * (count + 1),
}
figure, axes = plt.subplots(figsize=(7, 1.8))
bars = axes.barh(list(costs), [1e3 * s for s in costs.values()], color=["C0", "C0", "C1"])
axes.bar_label(bars, [f"{1e3 * s:,.2g} ms" if s < 0.1 else f"{s:,.1f} s" for s in costs.values()])
axes.set(xscale="log", xlabel="milliseconds", xlim=(0.3e3 * one, 1e3 * one * count * 9))
axes.invert_yaxis()
plt.show()
assert all_backward < 20 * one

# %% [markdown]
# ## Second derivatives
#
# Our derivatives are made of operations on `Var`s, so they are on a tape themselves, and `grad` can
# be applied to its own result. For $f(x) = \sin(x^2)$:
#
# $$ f' = 2x \cos x^2, \qquad f'' = 2 \cos x^2 - 4x^2 \sin x^2 . $$

# %%
x = Var(np.linspace(-2.5, 2.5, 400))
f = sin(power(x, 2))
(first,) = grad(f, [x])  # of the sum of f: element i of it depends on element i of x only
(second,) = grad(first, [x])

v = x.value
np.testing.assert_allclose(first.value, 2 * v * np.cos(v**2), rtol=1e-12, atol=1e-14)
expected = 2 * np.cos(v**2) - 4 * v**2 * np.sin(v**2)
np.testing.assert_allclose(second.value, expected, rtol=1e-12, atol=1e-13)

# %% [markdown]
# In minicnn the backward walk is off the record unless one asks for it, with `create_graph=True`:
# a tape of the walk would cost memory that a training step has no use for.

# %%
tx = minicnn.tensor(v, requires_grad=True)
tf = (tx**2).sin()
(t_first,) = minicnn.autograd.grad(tf.sum(), tx, create_graph=True)
(t_second,) = minicnn.autograd.grad(t_first.sum(), tx)
np.testing.assert_allclose(first.value, t_first.detach().numpy(), rtol=1e-12, atol=1e-14)
np.testing.assert_allclose(second.value, t_second.numpy(), rtol=1e-12, atol=1e-13)

figure, axes = plt.subplots(figsize=(7, 2.8))
for curve, name in [(f, "$f = \\sin x^2$"), (first, "$f'$"), (second, "$f''$")]:
    axes.plot(v, curve.value, label=name)
axes.set(xlabel="$x$")
axes.grid(True)
axes.legend()
plt.show()

# %% [markdown]
# ## Values that change behind the tape's back
#
# The derivative of a product needs the *value* that the factor had. What if somebody has
# overwritten it meanwhile? Ours does not notice:

# %%
a = Var([1.0, 2.0])
y = (a * a).sum()
a.value *= 10  # in place: the tape now sees another array than the evaluation did
(da,) = grad(y, [a])
print(f"at (1, 2) the gradient of a² is (2, 4); the tape says {da.value}")
assert not np.allclose(da.value, [2, 4])

# %% [markdown]
# A wrong gradient raises no error by itself; the network only learns worse. So minicnn counts the
# changes of every tensor's memory. A node notes the count when it keeps a tensor, and compares when
# the value is needed:

# %%
a = minicnn.tensor([1.0, 2.0], requires_grad=True)
b = a.exp()
y = (b * b).sum()
b.mul_(10)  # a name that ends in "_" changes in place


def say(error):
    print(textwrap.fill(f"{type(error).__name__}: {error}", 90))


try:
    y.backward()
except InPlaceError as error:
    say(error)
else:
    raise AssertionError("the change went unnoticed")

# %% [markdown]
# Whether a change is an error depends on who needs the value. A sum keeps nothing, so its input may
# change. (`b + 1` needs no value of `b` for its derivative.)

# %%
b = a.exp() + 0
y = (b + 1).sum()
b.mul_(10)
y.backward()
np.testing.assert_allclose(a.grad.numpy(), np.exp([1.0, 2.0]), rtol=1e-6)

# %% [markdown]
# Two more errors that everybody meets once. A tape is freed while it is walked, because its memory
# is needed for the next batch; a second walk must be announced. And a tensor that nobody wanted a
# gradient of has no tape.

# %%
y = (a * a).sum()
y.backward()
try:
    y.backward()
except GraphError as error:
    say(error)

try:
    (a.detach() * 2).sum().backward()
except GraphError as error:
    say(error)

# %% [markdown]
# ## Off the record
#
# An optimizer's step, `w -= lr * w.grad`, must not be on the tape: it is no part of the loss. Nor
# does anybody need a tape to *use* a network. `with minicnn.no_grad():` switches the recording off.

# %%
w = minicnn.tensor([1.0, -2.0], requires_grad=True)
(w * w).sum().backward()
with minicnn.no_grad():
    w -= 0.1 * w.grad
    off_the_record = w * w
assert off_the_record.grad_fn is None and not off_the_record.requires_grad
np.testing.assert_allclose(w.detach().numpy(), [0.8, -1.6], rtol=1e-6)

# %% [markdown]
# One more habit follows from the sum in $\bar u + \ldots$: `backward` *adds* to `.grad`. A loop
# that forgets `optimizer.zero_grad()` walks along the sum of all gradients so far.

# %%
(w * 3).sum().backward()
print(f"the gradient of 3w is 3; w.grad is {w.grad.tolist()}, with what was there before: (2, -4)")
np.testing.assert_allclose(w.grad.numpy(), [2 + 3, -4 + 3], rtol=1e-6)

# %% [markdown]
# ## Exercises
#
# Write them with `minicnn course start exercises`, check them with `minicnn course check 01`.
# For discussion:
#
# 1. In `grad`, replace the sum by `arrived[parent] = dx`. For which functions is the result still
#    right?
# 2. Why may `grad` sort by age? Find a set of nodes for which an order by *depth* (the shortest way
#    from the output) would be wrong.
# 3. Add `tanh` to our tape, with a derivative that uses the result instead of computing `tanh`
#    again. What does that do to the memory's lifetime? (See `Node` in
#    [`node.py`](../minicnn/autograd/node.py): why does it keep the result as a bare array?)
# 4. What does our tape keep alive that minicnn's does not? Measure it for a chain of 100 sums of an
#    array of a million numbers.
# 5. Forward mode: write a class `Dual` with a value and one derivative, and compute $\partial y /
#    \partial x_1$ of the first example. For which shape of function is it the better choice?
#
# Sources: S. Linnainmaa 1976, "Taylor expansion of the accumulated rounding error"; A. G. Baydin et
# al. 2018, "Automatic differentiation in machine learning: a survey" (the example of the beginning
# is theirs).
#
# Next: [2. Gradient checking](02_gradient_checking.ipynb)

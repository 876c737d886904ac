"""What textbooks and courses do with tensors, line by line as they write it, in both libraries.

Each script is given one of the two libraries as `torch`, and returns what it computed.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minicnn

rng = np.random.default_rng(0)
IMAGES = rng.standard_normal((6, 10)).astype(np.float32)
LABELS = rng.integers(0, 4, 6)
WORDS = ["emma", "olivia", "ava", "isabella", "mia"]


def first_steps(torch):
    """PyTorch's own first tutorial: tensors."""
    data = [[1, 2], [3, 4]]
    x = torch.tensor(data)
    like = torch.ones_like(x, dtype=torch.float)
    bridge = torch.from_numpy(np.array(data))
    tensor = torch.ones(4, 4)
    tensor[:, 1] = 0
    joined = torch.cat([tensor, tensor, tensor], dim=1)
    product = tensor.matmul(tensor.T) + tensor @ tensor.T + tensor * tensor
    tensor.add_(5)
    t = torch.ones(5)
    n = t.numpy()
    t.add_(1)
    total = tensor.sum()
    shape = (tuple(tensor.shape), tensor.dtype == torch.float32, tensor.device.type == "cpu")
    return x, like, bridge, joined, product, tensor, n.copy(), total.item(), shape


def automatic_differentiation(torch):
    """PyTorch's tutorial of autograd: a gradient of a vector."""
    a = torch.tensor([2.0, 3.0], requires_grad=True)
    b = torch.tensor([6.0, 4.0], requires_grad=True)
    q = 3 * a**3 - b**2
    q.backward(gradient=torch.tensor([1.0, 1.0]))
    return a.grad, b.grad, 9 * a**2 == a.grad, -2 * b == b.grad


def linear_algebra(torch):
    """Dive into Deep Learning, chapter 2: preliminaries."""
    x = torch.arange(12, dtype=torch.float32)
    grid = x.reshape(3, 4)
    other = torch.tensor([[2.0, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]])
    found = [torch.cat((grid, other), dim=0), torch.cat((grid, other), dim=1), grid == other]
    grid[1, 2] = 9
    grid[0:2, :] = 12
    z = torch.zeros_like(other)
    before = id(z)
    z[:] = grid + other
    found += [grid[-1], grid[1:3], z, id(z) == before, x.numel(), len(x)]
    a = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    found += [a.sum(axis=0), a.sum(axis=[0, 1]), a.mean(), a.sum(axis=1, keepdims=True)]
    found += [a.cumsum(axis=0), a / a.sum(axis=1, keepdims=True), a * a.clone()]
    u, y = torch.tensor([3.0, -4.0]), torch.ones(3)
    found += [torch.norm(u), torch.abs(u).sum(), torch.norm(torch.ones((4, 9))), a @ y]
    found += [torch.mv(a, y), torch.mm(a, a.T), torch.dot(y, y), torch.sum(y * y)]
    s = torch.tensor([3.5])
    return [*found, s.item(), float(s), int(s)]


def regression_from_scratch(torch):
    """Dive into Deep Learning, chapter 3: linear regression with nothing but tensors."""
    features = torch.tensor(IMAGES)
    labels = features @ torch.ones(10) + 4.2
    w = torch.full((10, 1), 0.01, requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    losses = []
    for _ in range(3):
        for i in range(0, len(features), 2):
            indices = torch.tensor(range(i, min(i + 2, len(features))))
            x, y = features[indices], labels[indices]
            y_hat = torch.matmul(x, w) + b
            loss = (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
            loss.sum().backward()
            with torch.no_grad():
                for param in (w, b):
                    param -= 0.03 * param.grad / 2
                    param.grad.zero_()
        with torch.no_grad():
            losses.append(float(((torch.matmul(features, w) + b) ** 2).mean()))
    return w, b, losses


def softmax_from_scratch(torch):
    """Dive into Deep Learning, chapter 4: softmax, cross-entropy and accuracy by hand."""
    x, y = torch.tensor(IMAGES), torch.tensor(LABELS)
    w = torch.linspace(-1, 1, 40).reshape(10, 4).requires_grad_()
    exps = torch.exp(x.reshape((-1, w.shape[0])) @ w)
    y_hat = exps / exps.sum(1, keepdim=True)
    loss = -torch.log(y_hat[list(range(len(y_hat))), y]).mean()
    loss.backward()
    predictions = y_hat.argmax(axis=1).type(y.dtype)
    compare = (predictions == y.reshape(-1)).type(torch.float32)
    return y_hat, loss, w.grad, compare.mean(), float(compare.sum()) / y.numel()


def cross_correlation(torch):
    """Dive into Deep Learning, chapter 7: a convolution as loops, and an edge detector learned."""
    x = torch.ones((6, 8))
    x[:, 2:6] = 0
    k = torch.tensor([[1.0, -1.0]])
    h, w = k.shape
    y = torch.zeros((x.shape[0] - h + 1, x.shape[1] - w + 1))
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = (x[i : i + h, j : j + w] * k).sum()
    pooled = torch.stack([row.max() for row in y])
    conv = torch.nn.Conv2d(1, 1, kernel_size=(1, 2), bias=False)
    conv.weight.data.fill_(0.5)
    for _ in range(5):
        y_hat = conv(x.reshape((1, 1, 6, 8)))
        loss = (y_hat - y.reshape((1, 1, 6, 7))) ** 2
        conv.zero_grad()
        loss.sum().backward()
        conv.weight.data[:] -= 3e-2 * conv.weight.grad
    return y, pooled, conv.weight.data.reshape((1, 2))


def neuron(torch):
    """Karpathy's micrograd: the neuron that PyTorch checks it with."""
    x1, x2 = torch.Tensor([2.0]).double(), torch.Tensor([0.0]).double()
    w1, w2 = torch.Tensor([-3.0]).double(), torch.Tensor([1.0]).double()
    b = torch.Tensor([6.8813735870195432]).double()
    for leaf in (x1, x2, w1, w2, b):
        leaf.requires_grad = True
    o = torch.tanh(x1 * w1 + x2 * w2 + b)
    o.backward()
    return o.data.item(), x1.grad.item(), w1.grad.item(), x2.grad.item(), w2.grad.item()


def alphabet():
    letters = sorted(set("".join(WORDS)))
    return {".": 0, **{s: i + 1 for i, s in enumerate(letters)}}


def bigrams(torch):
    """Karpathy's makemore, part 1: counting, and the same as a network."""
    stoi = alphabet()
    size = len(stoi)
    counts = torch.zeros((size, size), dtype=torch.int32)
    xs, ys = [], []
    for word in WORDS:
        chars = [".", *word, "."]
        for a, b in itertools.pairwise(chars):
            counts[stoi[a], stoi[b]] += 1
            xs.append(stoi[a]), ys.append(stoi[b])
    p = (counts + 1).float()
    p /= p.sum(1, keepdims=True)
    likelihood = sum(torch.log(p[a, b]) for a, b in zip(xs, ys, strict=True))
    xs, ys = torch.tensor(xs), torch.tensor(ys)
    num = xs.nelement()
    w = torch.linspace(-1, 1, size * size).view(size, size).requires_grad_()
    for _ in range(4):
        xenc = torch.nn.functional.one_hot(xs, num_classes=size).float()
        probs = (xenc @ w).exp()
        probs = probs / probs.sum(1, keepdims=True)
        loss = -probs[torch.arange(num), ys].log().mean() + 0.01 * (w**2).mean()
        w.grad = None
        loss.backward()
        w.data += -50 * w.grad
    return counts, p, likelihood, loss.item(), w


def batch_norm_by_hand(torch):
    """Karpathy's makemore, part 3: embeddings, batch norm by hand, and its statistics."""
    stoi = alphabet()
    size, functional = len(stoi), torch.nn.functional
    x, y = [], []
    for word in WORDS:
        context = [0] * 3
        for ch in word + ".":
            x.append(context), y.append(stoi[ch])
            context = [*context[1:], stoi[ch]]
    x, y = torch.tensor(x), torch.tensor(y)
    c = torch.linspace(-1, 1, size * 2).view(size, 2)
    w1 = torch.linspace(-0.5, 0.5, 6 * 8).view(6, 8).cos() * 0.2
    w2 = torch.linspace(-0.5, 0.5, 8 * size).view(8, size).sin() * 0.1
    gain, bias = torch.ones((1, 8)), torch.zeros((1, 8))
    mean_running, std_running = torch.zeros((1, 8)), torch.ones((1, 8))
    parameters = [c, w1, w2, gain, bias]
    for p in parameters:
        p.requires_grad = True
    losses = []
    for _ in range(3):
        emb = c[x]
        hpreact = emb.view(emb.shape[0], -1) @ w1
        mean, std = hpreact.mean(0, keepdim=True), hpreact.std(0, keepdim=True)
        hpreact = gain * (hpreact - mean) / std + bias
        with torch.no_grad():
            mean_running = 0.999 * mean_running + 0.001 * mean
            std_running = 0.999 * std_running + 0.001 * std
        logits = torch.tanh(hpreact) @ w2
        loss = functional.cross_entropy(logits, y)
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data += -0.1 * p.grad
        losses.append(loss.item())
    saturated = (torch.tanh(hpreact).abs() > 0.97).float().mean().item()
    return losses, *parameters, mean_running, std_running, saturated


def attention(torch):
    """nanoGPT: causal self-attention, and the choice of the next token."""
    functional = torch.nn.functional
    B, T, C, heads = 2, 4, 6, 2
    x = torch.linspace(-1, 1, B * T * C).view(B, T, C).requires_grad_()
    weight = torch.linspace(-1, 1, 3 * C * C).view(3 * C, C).sin()
    mask = torch.tril(torch.ones(8, 8)).view(1, 1, 8, 8)
    q, k, v = functional.linear(x, weight).split(C, dim=2)
    k = k.view(B, T, heads, C // heads).transpose(1, 2)
    q = q.view(B, T, heads, C // heads).transpose(1, 2)
    v = v.view(B, T, heads, C // heads).transpose(1, 2)
    att = (q @ k.transpose(-2, -1)) * (1.0 / (k.size(-1) ** 0.5))
    att = att.masked_fill(mask[:, :, :T, :T] == 0, float("-inf"))
    att = functional.softmax(att, dim=-1)
    y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
    y.pow(2).mean().backward()
    logits = y[:, -1, :].detach() / 0.8
    top, _ = torch.topk(logits, min(3, logits.size(-1)))
    logits[logits < top[:, [-1]]] = -float("Inf")
    probs = functional.softmax(logits, dim=-1)
    _, idx_next = torch.topk(probs, k=1, dim=-1)
    idx = torch.cat((torch.zeros((B, 1), dtype=torch.long), idx_next), dim=1)
    return att, y, x.grad, logits, probs, idx


def two_layers(torch):
    """Stanford CS231n: a network of two layers, by hand and with autograd."""
    device, dtype = torch.device("cpu"), torch.float
    x = torch.tensor(IMAGES).to(device=device, dtype=dtype)
    y = torch.linspace(-1, 1, 18).view(6, 3)
    w1 = torch.linspace(-1, 1, 50, device=device, dtype=dtype).view(10, 5)
    w2 = torch.linspace(-1, 1, 15, device=device, dtype=dtype).view(5, 3)
    h_relu = x.mm(w1).clamp(min=0)
    y_pred = h_relu.mm(w2)
    grad_y_pred = 2.0 * (y_pred - y)
    grad_h = grad_y_pred.mm(w2.t()).clone()
    grad_h[x.mm(w1) < 0] = 0
    by_hand = x.t().mm(grad_h)
    w1.requires_grad_(), w2.requires_grad_()
    losses = []
    for _ in range(4):
        loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
        losses.append(loss.item())
        loss.backward()
        first = w1.grad.clone()
        with torch.no_grad():
            w1 -= 1e-4 * w1.grad
            w2 -= 1e-4 * w2.grad
            w1.grad.zero_()
            w2.grad.zero_()
    scores = x.mm(w1)
    _, preds = scores.max(1)
    labels = torch.tensor(LABELS)
    correct = (preds == labels).sum()
    picked = scores.gather(1, labels.view(-1, 1)).squeeze()
    return by_hand, losses, first, w1, float(correct) / preds.size(0), picked


def newton(torch):
    """Deep Learning from Scratch 3 (DeZero): Newton's method with a second derivative."""
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    steps = []
    for _ in range(6):
        y = x**4 - 2 * x**2
        x.grad = None
        y.backward(create_graph=True)
        gx = x.grad
        x.grad = None
        gx.backward()
        gx2 = x.grad
        steps.append(x.item())
        x.data -= gx.data / gx2.data
    return steps


def higher_derivatives(torch):
    """DeZero: derivatives of sin up to the fourth."""
    x = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    y, found = torch.sin(x), []
    for _ in range(4):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        found.append(y)
    return found


SCRIPTS = [
    first_steps, automatic_differentiation, linear_algebra, regression_from_scratch,
    softmax_from_scratch, cross_correlation, neuron, bigrams, batch_norm_by_hand, attention,
    two_layers, newton, higher_derivatives,
]  # fmt: skip


def flat(found):
    """Everything a script returned, as arrays and numbers."""
    if isinstance(found, (list, tuple)):
        return [x for part in found for x in flat(part)]
    return [found.detach().numpy() if hasattr(found, "detach") else found]


# Some share memory with NumPy, or name the CPU.
ANY_SCRIPT = [
    pytest.param(script, marks=pytest.mark.host if script in (first_steps, two_layers) else ())
    for script in SCRIPTS
]


@pytest.mark.filterwarnings("ignore:Using backward")  # PyTorch warns of a cycle in `newton`
@pytest.mark.parametrize("script", ANY_SCRIPT, ids=lambda script: script.__name__)
def test_script_computes_what_it_computes_in_pytorch(script):
    torch = pytest.importorskip("torch")
    ours, theirs = flat(script(minicnn)), flat(script(torch))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("script", ANY_SCRIPT, ids=lambda script: script.__name__)
def test_script_runs(script):
    assert all(
        np.isfinite(np.asarray(a)[np.asarray(a) > -np.inf]).all() for a in flat(script(minicnn))
    )

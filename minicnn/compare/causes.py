"""Why the first tensor that differs may differ: what can be told from the recordings."""

from __future__ import annotations

import re
from typing import Any

from .agreement import Difference, Recording
from .recorder import GRADIENT, INITIAL, INPUT, LOSS, OUTPUT, OUTPUT_GRADIENT, UPDATED

# Which function of `minicnn.replace` stands behind which module.
BEHIND = {
    "Conv1d": "conv2d", "Conv2d": "conv2d", "MaxPool1d": "max_pool2d", "MaxPool2d": "max_pool2d",
    "AvgPool1d": "avg_pool2d", "AvgPool2d": "avg_pool2d", "BatchNorm1d": "batch_norm",
    "BatchNorm2d": "batch_norm", "Linear": "linear", "ReLU": "relu", "Sigmoid": "sigmoid",
    "Tanh": "tanh", "Softmax": "softmax", "LogSoftmax": "log_softmax",
    "CrossEntropyLoss": "cross_entropy",
}  # fmt: skip
OUTSIDE = (
    "random numbers that the runs do not share: np.random.default_rng() without a seed, the time, "
    "os.urandom. Shared are those of torch, of the random module and of np.random's functions; a "
    "generator of NumPy's needs a seed"
)


def likely_cause(difference: Difference, ours: Recording, theirs: Recording) -> str | None:
    """Return a sentence about the likely cause, or None if nothing is known."""
    if difference.drawn and difference.why == "values":
        return OUTSIDE
    for look in (_replaced, _options, _settings):
        cause = look(difference, ours, theirs)
        if cause:
            return cause
    if difference.why == "missing":
        return "the script takes another way in one of the libraries (an 'if' on a version?)"
    if difference.why == "dtype":
        return "a NumPy float64 among float32, or a default dtype that was set in one of them"
    if "Dropout" in difference.event["about"] and difference.event["kind"] == OUTPUT:
        return "a random mask that the runs do not share"
    return _ratio(difference, theirs)


def _replaced(difference: Difference, ours: Recording, theirs: Recording) -> str | None:
    """A replaced operation is the first to look at; the one of the module itself if it is."""
    found = {text.split()[0].lstrip("<"): text for text in ours.result["replaced"]}
    if not found:
        return None
    modules = [_module(event) for event in (difference.event, difference.before or {})]
    names = [BEHIND.get(module, "") for module in modules]
    text = next((found[name] for name in names if name in found), None)
    if text is None:
        optimizers = {"sgd", "momentum", "adagrad", "rmsprop", "adam"}
        step = difference.event["kind"] == UPDATED
        fits = [t for name, t in found.items() if (name in optimizers) == step]
        text = fits[0] if fits else None
    return text and f"minicnn.replace: {text.strip('<>')}"


def _module(event: dict[str, Any]) -> str:
    return str(event.get("about", "")).split("(")[0]


def _options(difference: Difference, ours: Recording, theirs: Recording) -> str | None:
    """Modules say their options; they should say the same in both."""
    mine = (difference.other or {}).get("about", "")
    about = difference.event["about"]
    if not mine or mine == about or difference.event["kind"] == UPDATED:
        return None
    return f"the module is {mine} in minicnn and {about} in PyTorch"


def _settings(difference: Difference, ours: Recording, theirs: Recording) -> str | None:
    """Optimizers: other options, a state that went another way, or the gradients that came in."""
    if difference.event["kind"] != UPDATED:
        return None
    pairs = zip(ours.result["optimizers"], theirs.result["optimizers"], strict=False)
    for mine, other in pairs:
        if mine["class"] != other["class"]:
            return f"the optimizer is {mine['class']} in minicnn and {other['class']} in PyTorch"
        for i, (a, b) in enumerate(zip(mine["groups"], other["groups"], strict=False)):
            for name in sorted(a.keys() & b.keys()):
                if not _equal(a[name], b[name]):
                    return (
                        f"{mine['class']}, parameter group {i}: {name}={a[name]} in minicnn and "
                        f"{name}={b[name]} in PyTorch"
                    )
    if difference.event["step"] == 1:
        return "the update rule: the gradients agreed, the new value does not"
    return (
        "what the optimizer remembers (momentum, dampening, averages, bias correction): the first "
        "step agreed, and so did the gradients"
    )


def _equal(a: str, b: str) -> bool:
    """Whether two options are the same value: "0" and "0.0" are."""
    try:
        return a == b or float(a) == float(b)
    except ValueError:
        return False


def _ratio(difference: Difference, theirs: Recording) -> str | None:
    """One number between the two is telling: the size of the batch is mean against sum."""
    gap, event = difference.gap, difference.event
    if gap is None or gap.ratio is None or not gap.ratio or event["kind"] not in (
        LOSS, OUTPUT, OUTPUT_GRADIENT, GRADIENT,
    ):  # fmt: skip
        return None
    r = gap.ratio
    sizes = {theirs.array(e).shape[0] for e in theirs.events[:50]
             if e["kind"] == INPUT and theirs.array(e).ndim}  # fmt: skip
    for n in sizes:
        if n > 1 and (abs(r / n - 1) < 1e-3 or abs(r * n - 1) < 1e-3):
            which = ("sum", "mean") if r > 1 else ("mean", "sum")
            return (
                f"reduction: minicnn's is {r:.6g} times PyTorch's and the batch has {n}: a "
                f"{which[0]} here, a {which[1]} there"
            )
    return f"a factor: minicnn's is {r:.6g} times PyTorch's, in every element"


def place(event: dict[str, Any]) -> str:
    """Say which tensor an event is, in words."""
    name, about = event["name"], event["about"]
    again = f", call {event['number'] + 1}" if event["number"] else ""
    inside = f" ({about})" if about and not re.fullmatch(r"\w+", about) else ""
    phrases = {
        INITIAL: f"initial value of {name}",
        INPUT: f"input of {name}",
        OUTPUT: f"forward, output of {name}{inside}",
        LOSS: "forward, loss",
        OUTPUT_GRADIENT: f"backward, gradient of the output of {name}{inside}",
        GRADIENT: f"backward, gradient of {name}",
        UPDATED: f"{name} after the step{' of ' + about if about else ''}",
    }
    return f"step {event['step']}, {phrases[event['kind']]}{again}"

"""Exercises: Adagrad and RMSprop, which divide by the size of the gradients so far."""

from __future__ import annotations

from ...exercise import Exercise, Mistake, mistake
from . import inputs, solution


def in_both(update: str) -> tuple[Mistake, ...]:
    """Return the mistakes that both rules share, given the update of s without the gradient."""
    return (
        mistake(
            "gradient not squared",
            "It takes the gradients themselves into s, of which the root may not exist: square "
            "them.",
            ("g**2", "g"),
        ),
        mistake(
            "root forgotten",
            "It divides by s, which is made of squares: take its root.",
            ("np.sqrt(s)", "s"),
        ),
        mistake(
            "eps inside the root",
            "It adds eps under the root. Here, as in PyTorch, it is added to the root.",
            ("(np.sqrt(s) + eps)", "np.sqrt(s + eps)"),
        ),
        mistake(
            "eps forgotten",
            "It leaves out eps: an element that never had a gradient becomes 0 / 0.",
            ("np.sqrt(s) + eps", "np.sqrt(s)"),
        ),
        mistake(
            "step with the old s",
            "It divides by the root of the s that it was given: update s first.",
            (f"s = {update}", f"old, s = s, {update}"),
            ("np.sqrt(s)", "np.sqrt(old)"),
        ),
        mistake(
            "old s returned",
            "It returns the s that it was given: the new one is lost, and every step begins as the "
            "first did.",
            (f"s = {update}", f"new = {update}"),
            ("np.sqrt(s)", "np.sqrt(new)"),
        ),
        mistake(
            "state forgotten",
            "It divides by the size of this gradient alone, so that only its sign is left. The old "
            "s belongs to the new one.",
            (f"s = {update}g**2", "s = g**2"),
        ),
        mistake(
            "step uphill",
            "It adds the step, so that the loss grows: subtract it.",
            ("p - lr *", "p + lr *"),
        ),
        mistake(
            "multiplied by the root",
            "It multiplies by the root of s: divide by it, so that steep directions get short "
            "steps.",
            ("g / (np.sqrt(s) + eps)", "g * (np.sqrt(s) + eps)"),
        ),
        mistake(
            "eps not in the denominator",
            "It adds eps to the quotient: the brackets belong around sqrt(s) + eps.",
            ("(np.sqrt(s) + eps)", "np.sqrt(s) + eps"),
        ),
    )


summed = Exercise(
    solution.adagrad,
    inputs.adagrad_cases,
    returns="p, s",
    size="that of p, for both",
    hints=(
        "Every element has a sum of its own: nothing is summed over the array.",
        "First s, then the step with the new s. eps is added after the root is taken.",
    ),
    mistakes=(
        mistake(
            "one sum for all elements",
            "It adds up the squares of all elements: each element has a sum of its own.",
            ("g**2", "(g**2).sum()"),
        ),
        mistake(
            "average for sum",
            "It takes the mean of the old s and the new square: s is the plain sum of all squares.",
            ("s + g**2", "(s + g**2) / 2"),
        ),
        mistake(
            "changed in place",
            "It changes the caller's s with +=. Make a new one: s = s + g**2.",
            ("s = s + g**2", "s += g**2"),
        ),
        *in_both("s + "),
    ),
)

averaged = Exercise(
    solution.rmsprop,
    inputs.rmsprop_cases,
    returns="p, s",
    size="that of p, for both",
    hints=(
        "It is Adagrad with another s: an average that forgets.",
        "alpha is the share of the old average, 1 - alpha that of the new square.",
    ),
    mistakes=(
        mistake(
            "sum for average",
            "It adds up the squares as Adagrad does. RMSprop takes a moving average: alpha s + "
            "(1 - alpha) g^2.",
            ("alpha * s + (1 - alpha) * g**2", "s + g**2"),
        ),
        mistake(
            "alpha the wrong way round",
            "It keeps the share 1 - alpha of the old average: alpha is the share that is kept.",
            ("alpha * s + (1 - alpha) * g**2", "(1 - alpha) * s + alpha * g**2"),
        ),
        mistake(
            "new square not weighted",
            "It adds the whole new square to alpha s: multiply it by 1 - alpha.",
            ("(1 - alpha) * g**2", "g**2"),
        ),
        mistake(
            "old average not shrunk",
            "It keeps the whole old average: multiply it by alpha.",
            ("alpha * s", "s"),
        ),
        mistake(
            "one average for all elements",
            "It takes the mean over all elements: each element has an average of its own.",
            ("g**2", "(g**2).mean()"),
        ),
        *in_both("alpha * s + (1 - alpha) * "),
    ),
)

"""Exercises: gradient descent, momentum, and Nesterov's form of it."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

plain = Exercise(
    solution.sgd,
    inputs.sgd_cases,
    returns="p",
    size="that of p",
    hints=(
        "The gradient points uphill.",
        "The result is a new array: p - ..., and not p -= ...",
    ),
    mistakes=(
        mistake(
            "step uphill",
            "It adds the gradient, so that the loss grows: subtract it.",
            ("p - lr * g", "p + lr * g"),
        ),
        mistake(
            "learning rate forgotten",
            "It subtracts the whole gradient: multiply it by lr first.",
            ("lr * g", "g"),
        ),
        mistake(
            "step without the parameter",
            "It returns the step itself: the new parameter is p less lr g.",
            ("p - lr * g", "-lr * g"),
        ),
        mistake(
            "changed in place",
            "It changes the caller's p with -=. Return a new array: p - lr g.",
            ("return p - lr * g", "p -= lr * g\n    return p"),
        ),
        mistake(
            "gradient normalised",
            "It divides the gradient by its length. The step is lr times the gradient as it is, "
            "short where the surface is flat.",
            ("lr * g", "lr * g / np.linalg.norm(g)"),
        ),
        mistake(
            "sign of the gradient",
            "It uses only the sign of the gradient: the step is proportional to its size.",
            ("lr * g", "lr * np.sign(g)"),
        ),
        mistake(
            "parameter multiplied by lr",
            "It multiplies the parameter by lr too: only the gradient is multiplied.",
            ("p - lr * g", "lr * (p - g)"),
        ),
        mistake(
            "mean of the gradient",
            "It takes the mean of all elements of g: each element moves by its own gradient.",
            ("lr * g", "lr * g.mean()"),
        ),
    ),
)

heavy_ball = Exercise(
    solution.momentum,
    inputs.momentum_cases,
    returns="p, v",
    size="that of p, for both",
    hints=(
        "First the velocity, then the step along the new velocity.",
        "The learning rate stands in the step only: v is made of plain gradients.",
        "Return both, p and v: the next step is given the v that this one returns.",
    ),
    mistakes=(
        mistake(
            "learning rate in the velocity",
            "It adds lr g to the velocity. Here, as in PyTorch, v is made of plain gradients, and "
            "lr stands in the step: p - lr v.",
            ("mu * v + g", "mu * v + lr * g"),
            ("p - lr * v", "p - v"),
        ),
        mistake(
            "learning rate twice",
            "It multiplies by lr both in the velocity and in the step: only the step has it.",
            ("mu * v + g", "mu * v + lr * g"),
        ),
        mistake(
            "gradient dampened",
            "It multiplies the gradient by 1 - mu, as an average would. The heavy ball adds the "
            "whole gradient.",
            ("mu * v + g", "mu * v + (1 - mu) * g"),
        ),
        mistake(
            "step with the old velocity",
            "It steps along the velocity of the step before: update v first, then step along it.",
            ("v = mu * v + g", "old, v = v, mu * v + g"),
            ("lr * v", "lr * old"),
        ),
        mistake(
            "old velocity returned",
            "It returns the velocity that it was given: the new one is lost, and every step begins "
            "as the first did.",
            ("v = mu * v + g", "new = mu * v + g"),
            ("lr * v", "lr * new"),
        ),
        mistake(
            "step uphill",
            "It adds the velocity to p. The velocity is made of gradients, which point uphill: "
            "subtract it.",
            ("p - lr * v", "p + lr * v"),
        ),
        mistake(
            "gradient subtracted from the velocity",
            "It subtracts the gradient from the velocity, and adds the velocity to p. Here v is "
            "the sum of gradients, mu v + g, and p - lr v goes downhill.",
            ("mu * v + g", "mu * v - g"),
            ("p - lr * v", "p + lr * v"),
        ),
        mistake(
            "velocity not used",
            "It steps along g alone. The step goes along the velocity.",
            ("lr * v", "lr * g"),
        ),
        mistake(
            "mu forgotten",
            "It keeps the whole old velocity: multiply it by mu.",
            ("mu * v + g", "v + g"),
        ),
        mistake(
            "mu at the gradient",
            "It multiplies the gradient by mu: the factor belongs to the old velocity.",
            ("mu * v + g", "v + mu * g"),
        ),
        mistake(
            "Nesterov's step",
            "It steps along g + mu v, with the new v, which is Nesterov's step: the heavy ball "
            "steps along v.",
            ("lr * v", "lr * (g + mu * v)"),
        ),
        mistake(
            "changed in place",
            "It changes the caller's v in place. Make a new one: v = mu * v + g.",
            ("v = mu * v + g", "v *= mu\n    v += g"),
        ),
    ),
)

ahead = Exercise(
    solution.nesterov,
    inputs.momentum_cases,
    returns="p, v",
    size="that of p, for both",
    hints=(
        "The velocity is updated as with momentum; only the step differs.",
        "g + mu v holds the new velocity. With the old one it would be the heavy ball's step.",
    ),
    mistakes=(
        mistake(
            "heavy ball's step",
            "It steps along mu times the old velocity plus g, as the heavy ball does. Nesterov's "
            "step is g plus mu times the new velocity.",
            ("g + mu * v)", "v)"),
        ),
        mistake(
            "mu forgotten in the step",
            "It adds the whole new velocity to the gradient: in the step it is multiplied by mu "
            "once more.",
            ("(g + mu * v)", "(g + v)"),
        ),
        mistake(
            "gradient forgotten in the step",
            "It steps along mu v only: the gradient is added once more.",
            ("(g + mu * v)", "(mu * v)"),
        ),
        mistake(
            "step returned as the velocity",
            "It returns g + mu v as the velocity. The velocity is v = mu v + g; what is added to "
            "it serves for this step only.",
            ("return p - lr * (g + mu * v), v",
             "step = g + mu * v\n    return p - lr * step, step"),
        ),
        mistake(
            "old velocity returned",
            "It returns the velocity that it was given: the new one is lost, and every step begins "
            "as the first did.",
            ("v = mu * v + g", "new = mu * v + g"),
            ("(g + mu * v)", "(g + mu * new)"),
        ),
        mistake(
            "learning rate in the velocity",
            "It adds lr g to the velocity. Here, as in PyTorch, v is made of plain gradients, and "
            "lr multiplies the whole step.",
            ("v = mu * v + g", "v = mu * v + lr * g"),
            ("lr * (g + mu * v)", "(lr * g + mu * v)"),
        ),
        mistake(
            "learning rate at the gradient only",
            "It multiplies only g by lr in the step: lr multiplies mu v too.",
            ("lr * (g + mu * v)", "(lr * g + mu * v)"),
        ),
        mistake(
            "gradient dampened",
            "It multiplies the gradient by 1 - mu in the velocity: it is added whole.",
            ("v = mu * v + g", "v = mu * v + (1 - mu) * g"),
        ),
        mistake(
            "step uphill",
            "It adds the step to p. It is made of gradients, which point uphill: subtract it.",
            ("p - lr *", "p + lr *"),
        ),
    ),
)  # fmt: skip

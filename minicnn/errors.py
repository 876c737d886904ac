"""The exceptions of minicnn: one type for each kind of mistake.

Every message names the operation, the rule that was broken, the values that broke it and the way
out. Each class also derives from the built-in exception that PyTorch raises for the same mistake,
so that ``except RuntimeError`` and the like mean the same in both.
"""

from __future__ import annotations

from collections.abc import Iterable


class MinicnnError(Exception):
    """The base of every error that minicnn raises on purpose."""


class ShapeError(MinicnnError, RuntimeError, ValueError):
    """Shapes, ranks or channel counts that do not fit together."""


class DTypeError(MinicnnError, NotImplementedError, TypeError):
    """A dtype that the operation cannot take."""  # NotImplementedError is a RuntimeError


class DeviceError(MinicnnError, RuntimeError):
    """Tensors on different devices, or a device that is not there."""


class OutOfMemoryError(MinicnnError, RuntimeError, MemoryError):
    """The memory of a GPU is full."""


class DimensionError(MinicnnError, IndexError, RuntimeError):
    """An index, or the number of a dimension, that a tensor does not have."""


class LabelError(MinicnnError, IndexError, ValueError, RuntimeError):
    """Class labels out of range, or of the wrong form."""


class GraphError(MinicnnError, RuntimeError):
    """A backward pass that cannot be run: nothing recorded, or already freed."""


class InPlaceError(GraphError):
    """A value that a pending backward pass needs was changed in place."""


class AnomalyError(MinicnnError, RuntimeError):
    """NaN or infinity, found while ``detect_anomaly`` was on."""


class AutocastError(MinicnnError, RuntimeError):
    """A function that is not safe in mixed precision, called inside `autocast`."""


class CaptureError(MinicnnError, RuntimeError):
    """A step that cannot be captured into a CUDA graph."""


class ScalerError(MinicnnError, RuntimeError, AssertionError, ValueError):
    """A gradient scaler whose methods are called in an order that makes no sense."""


class GradcheckError(MinicnnError, RuntimeError):
    """A gradient that disagrees with the finite difference it should equal."""


class KinkWarning(UserWarning):
    """A gradient that cannot be checked: the function has a kink or a jump at this point."""


class FileError(MinicnnError, OSError, RuntimeError):
    """A data or weights file that is missing, truncated or altered."""


class MissingFileError(FileError, FileNotFoundError):
    """A data or weights file, or its folder, that is not there."""


class WorkerError(MinicnnError, RuntimeError):
    """A process that loads data died, fell silent, or sent what cannot be read."""


class CourseError(MinicnnError, ValueError):
    """A folder without exercises, or an exercise that is not what the course expects."""


class UnknownNameError(MinicnnError, ValueError, KeyError):
    """A name that is not known: of a model, a data set, an optimizer."""

    __str__ = Exception.__str__  # KeyError would print the message in quotes


class UnsupportedError(MinicnnError, NotImplementedError):
    """Something that PyTorch has and minicnn does not cover."""


class UnsupportedNameError(UnsupportedError, AttributeError):
    """A name of PyTorch's that minicnn does not have; ``hasattr`` answers False for it."""


class RegistrationError(MinicnnError, KeyError, TypeError, AttributeError):
    """A parameter, buffer or module that cannot be a member of a module under that name."""

    __str__ = Exception.__str__  # KeyError would print the message in quotes


class HookError(MinicnnError, RuntimeError):
    """A hook returned something that cannot replace what it was given."""


class StateDictError(MinicnnError, RuntimeError):
    """A state dict whose keys or shapes do not fit the module it is loaded into."""


class ReplacementError(MinicnnError, TypeError, ValueError, RuntimeError):
    """A function put in an operation's place that cannot be called there, or returned what cannot
    be its result."""


class CompareError(MinicnnError, RuntimeError):
    """A script that cannot be run on both minicnn and PyTorch."""


class ArgumentError(MinicnnError, ValueError, RuntimeError):
    """An option whose value is impossible, such as a negative learning rate."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the known name most like `name`, or an empty string."""
    import difflib

    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""

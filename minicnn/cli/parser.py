"""The options of every command, and what is said about wrong ones."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

from .._version import __version__
from ..errors import nearest
from . import course

MAIN = """\
examples:
  minicnn train                                  a network on the digits that come with minicnn
  minicnn train --data mnist --model lenet5      LeNet-5 on MNIST
  minicnn predict photo.png                      what the newest network says about a picture
  minicnn summary --model lenet5                 its layers, parameters and multiply-adds
  minicnn gradcheck                              is every gradient right?
  minicnn compare train.py                       does PyTorch compute the same?
  minicnn course start exercises                 exercises that check themselves
  minicnn info                                   versions, threads, GPU, data sets

'minicnn COMMAND --help' shows the options of a command.
"""
TRAIN = """\
examples:
  minicnn train
  minicnn train --data fashion-mnist --epochs 10 --out runs/fashion
  minicnn train --data cifar10 --optimizer sgd --lr 0.05 --workers 2
  minicnn train --resume runs/fashion            go on after an interruption

data:
  digits and shapes need no download. The others are looked for in the folder that the
  environment variable MINICNN_DATA names, and otherwise downloaded into a cache.

output:
  model.safetensors (the weights), config.json, history.csv, curves.png, confusion.png,
  mistakes.png. Ctrl-C keeps what was trained so far. Results that are there already are replaced
  only by complete new ones; those of an interrupted training put them into the folder 'previous'.
"""
PREDICT = """\
examples:
  minicnn predict                                test samples, by the newest network in runs/
  minicnn predict photo.png --weights runs/fashion --top 3
  minicnn predict scan.jpg --invert              dark on light, by a network for light on dark
  minicnn predict --samples 32 --save grid.png   a picture of the answers
"""
SUMMARY = """\
examples:
  minicnn summary --model lenet5
  minicnn summary --model cifar_cnn --input-shape 1,28,28 --classes 26
  minicnn summary --weights runs/digits-digits_cnn
"""
COMPARE = """\
examples:
  minicnn compare train.py                       20 steps on minicnn and on PyTorch
  minicnn compare --steps 100 --double train.py --lr 0.1
  minicnn compare --json train.py > report.json

The script is PyTorch code or minicnn code and is not changed; what follows its name goes to it.
Exit status: 0 the runs agree, 1 they differ, 2 the script cannot be run on both.
"""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that names the nearest known word."""

    options: set[str] = set()
    commands: set[str] = set()

    def add_argument(self, *names: Any, **options: Any) -> Any:
        Parser.options.update(n for n in names if isinstance(n, str) and n.startswith("--"))
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        if wrong:
            message += nearest(wrong[1], Parser.options)
        wrong = re.search(r"argument COMMAND: invalid choice: '(.*?)'", message)
        if wrong:
            known = sorted(Parser.commands)
            message = f"there is no command '{wrong[1]}'; there are {', '.join(known)}."
            message += nearest(wrong[1], known)
        self.exit(2, f"minicnn: error: {message}\nsee '{self.prog} --help'\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    style = argparse.RawDescriptionHelpFormatter
    parser = Parser(
        prog="minicnn",
        description="Train and try small convolutional networks.",
        epilog=MAIN,
        formatter_class=style,
    )
    parser.add_argument("--version", action="version", version=f"minicnn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)

    def command(name: str, help: str, epilog: str, run: Callable[[Any], Any]) -> Any:
        sub = commands.add_parser(
            name, help=help, description=help + ".", epilog=epilog, formatter_class=style
        )
        sub.set_defaults(run=run)
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        Parser.commands.add(name)
        return sub

    _train(command("train", "train a network and write it to a folder", TRAIN, _lazily("train")))
    _predict(
        command("predict", "classify pictures with a trained network", PREDICT, _lazily("predict"))
    )
    _summary(command("summary", "show the layers of a network", SUMMARY, _lazily("summary")))
    _gradcheck(
        command("gradcheck", "check the gradient of every operation", "", _lazily("gradcheck"))
    )
    course.add_options(
        command("course", "work through the exercises of the course", course.EPILOG, course.run)
    )
    _compare(
        command("compare", "run a script on PyTorch too, and compare", COMPARE, _lazily("compare"))
    )
    command("info", "show versions, threads, GPU and data sets", "", _lazily("info"))
    return parser


def _lazily(module: str) -> Callable[[Any], Any]:
    """Return a function that imports a command only when it runs: ``--help`` needs none of them."""

    def run(arguments: Any) -> Any:
        import importlib

        return importlib.import_module(f"minicnn.cli.{module}").run(arguments)

    return run


def _train(parser: argparse.ArgumentParser) -> None:
    from .recipes import DATA_HELP

    add = parser.add_argument
    add("--data", metavar="NAME", help=f"{DATA_HELP} (default: digits)")
    add("--model", metavar="NAME", help="default: depends on the data")
    add("--epochs", type=at_least(1), metavar="N", help="times to go through the training data")
    add("--batch-size", type=at_least(1), metavar="N", help="images per step")
    add("--lr", type=positive, metavar="X", help="the highest learning rate")
    add("--optimizer", metavar="NAME", help="adam (default), adamw, sgd, rmsprop, adagrad")
    add(
        "--schedule",
        metavar="NAME",
        help="of the learning rate: one-cycle (default), cosine, constant",
    )
    add(
        "--augment",
        action=argparse.BooleanOptionalAction,
        help="change training images at random (default: depends on the data)",
    )
    add(
        "--label-smoothing",
        type=share,
        metavar="SHARE",
        help="of the target that is spread over all classes (default: depends on the data)",
    )
    add(
        "--validation",
        type=share,
        metavar="SHARE",
        help="of the training data, held out to validate on (default: 0.1)",
    )
    add("--seed", type=int, metavar="N", help="of all random numbers (default: 0)")
    add("--device", metavar="NAME", help="cpu or cuda (default: MINICNN_DEVICE, else cpu)")
    add(
        "--workers",
        type=at_least(0),
        metavar="N",
        default=0,
        help="processes that read ahead (default: 0)",
    )
    add("--out", metavar="DIR", help="where the results go (default: runs/DATA-MODEL)")
    add(
        "--resume",
        metavar="DIR",
        help="go on with the interrupted training in DIR, with its options",
    )


def _predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="pictures; without any, test samples of a data set",
    )
    add("--weights", metavar="PATH", help="a folder of 'minicnn train' or a .safetensors file "
        "(default: the newest in runs/)")  # fmt: skip
    add("--model", metavar="NAME", help="the model, for weights without a config.json beside them")
    add("--data", metavar="NAME", help="the data set (default: that of the training)")
    add(
        "--samples",
        type=at_least(1),
        default=10,
        metavar="N",
        help="how many test samples (default: 10)",
    )
    add(
        "--top",
        type=at_least(1),
        default=1,
        metavar="K",
        help="show the K likeliest classes (default: 1)",
    )
    add(
        "--invert",
        action="store_true",
        help="turn light into dark: for dark writing on light paper",
    )
    add("--save", metavar="FILE", help="write a picture of the answers")
    add("--device", metavar="NAME", help="cpu or cuda")


def _summary(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", metavar="NAME", help="default: digits_cnn")
    add("--weights", metavar="PATH", help="the model of a folder of 'minicnn train', instead")
    add(
        "--input-shape",
        type=shape,
        metavar="C,H,W",
        help="of one image (default: what the model is for)",
    )
    add("--classes", type=at_least(1), default=10, metavar="N", help="how many (default: 10)")
    add("--batch-size", type=at_least(1), default=1, metavar="N", help="images (default: 1)")


def _gradcheck(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="only what has this in its name, such as conv"
    )


def _compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--steps", type=at_least(1), default=20, metavar="N", help="compare N steps (default: 20)")
    add("--double", action="store_true", help="compute in float64, where rounding does not matter")
    add("--json", action="store_true", help="print the report as JSON")
    add("--keep", metavar="DIR", help="keep the recorded tensors in this new folder")
    add("script", metavar="SCRIPT.py", help="a training script")
    add("arguments", nargs=argparse.REMAINDER, metavar="...", help="the script's own arguments")


def at_least(least: int) -> Callable[[str], int]:
    """Return a function that reads an integer of at least so much."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number, {least} or more, got '{text}'"
            )
        return number

    return read


def positive(text: str) -> float:
    """Read a number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got '{text}'")
    return number


def share(text: str) -> float:
    """Read a number from 0 to below 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to below 1, got '{text}'")
    return number


def shape(text: str) -> tuple[int, ...]:
    """Read a shape such as 3,32,32."""
    try:
        sizes = tuple(int(part) for part in re.split("[,x ]", text))
    except ValueError:
        sizes = ()
    if len(sizes) != 3 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(
            f"must be channels,height,width such as 3,32,32, got '{text}'"
        )
    return sizes

"""Exercises: how often a network is right, and what it takes for what."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

right_share = Exercise(
    solution.accuracy,
    inputs.scored,
    returns="share",
    size="a float",
    hints=(
        "argmax along an axis tells where the largest number of each row is.",
        "The mean of True and False is the share of True.",
    ),
    mistakes=(
        mistake(
            "argmax over the samples",
            "It takes argmax along axis 0, the samples: each sample has its row, and the classes "
            "are axis 1.",
            ("(scores.argmax(axis=1) == labels).mean()",
             "np.mean([a == b for a, b in zip(scores.argmax(axis=0), labels)])"),
        ),
        mistake(
            "argmax over everything",
            "It takes argmax without an axis, one number for all samples: take axis=1.",
            ("argmax(axis=1)", "argmax()"),
        ),
        mistake(
            "argmin for argmax",
            "It chooses the smallest score: the largest wins.",
            ("argmax", "argmin"),
        ),
        mistake(
            "number for share",
            "It counts the right answers: divide by the number of samples.",
            (".mean()", ".sum()"),
        ),
        mistake(
            "per cent",
            "It returns per cent: a share from 0 to 1 is asked for.",
            (".mean())", ".mean()) * 100"),
        ),
        mistake(
            "share of mistakes",
            "It returns the share of wrong answers.",
            ("== labels", "!= labels"),
        ),
        mistake(
            "divided by the classes too",
            "It divides by N C: there are N answers.",
            (".mean())", ".mean()) / scores.shape[1]"),
        ),
        mistake(
            "divided by the classes",
            "It divides the number of right answers by the number of classes: divide by the "
            "number of samples.",
            ("labels).mean()", "labels).sum() / scores.shape[1]"),
        ),
        mistake(
            "every class a decision",
            "It also counts each class that is rightly not chosen: a sample is right or wrong, "
            "once.",
            ("(scores.argmax(axis=1) == labels).mean()",
             "((scores == scores.max(axis=1, keepdims=True)) == "
             "(labels[:, None] == np.arange(scores.shape[1]))).mean()"),
        ),
        mistake(
            "positive for largest",
            "It takes a label for right if its score is positive: it must be the largest.",
            ("(scores.argmax(axis=1) == labels)", "(scores[np.arange(len(labels)), labels] > 0)"),
        ),
        mistake(
            "classes counted from 1",
            "It counts the classes from 1: argmax and labels both count from 0.",
            ("scores.argmax(axis=1)", "scores.argmax(axis=1) + 1"),
        ),
        mistake(
            "rounded",
            "It makes a whole number of the share.",
            ("float((scores.argmax(axis=1) == labels).mean())",
             "int((scores.argmax(axis=1) == labels).mean())"),
        ),
    ),
)  # fmt: skip

confusion = Exercise(
    solution.confusion_matrix,
    inputs.guesses,
    returns="matrix",
    size="(C, C)",
    hints=(
        "Begin with zeros, and add 1 at one place for each sample.",
        "matrix[labels, predictions] += 1 counts a pair once however often it occurs: use a loop "
        "or np.add.at.",
    ),
    mistakes=(
        mistake(
            "rows and columns exchanged",
            "Its rows are the guesses: rows are the true classes, columns the guesses.",
            ("matrix[label, prediction]", "matrix[prediction, label]"),
        ),
        mistake(
            "a pair counted once",
            "It counts a pair once however often it occurs, as matrix[labels, predictions] += 1 "
            "does: use a loop or np.add.at.",
            body="""
            matrix = np.zeros((classes, classes), dtype=np.int64)
            matrix[labels, predictions] += 1
            return matrix
            """,
        ),
        mistake(
            "only what is wrong",
            "It leaves out the right answers: they belong on the diagonal.",
            ("        matrix[label, prediction] += 1",
             "        matrix[label, prediction] += label != prediction"),
        ),
        mistake(
            "only what is right",
            "It counts the right answers only: wrong ones belong beside the diagonal.",
            ("        matrix[label, prediction] += 1",
             "        matrix[label, prediction] += label == prediction"),
        ),
        mistake(
            "size from the labels",
            "It has as many rows as classes occur: use the number of classes that is given.",
            ("np.zeros((classes, classes)",
             "np.zeros((max(labels.max(), predictions.max()) + 1,) * 2"),
        ),
        mistake(
            "shares of the rows",
            "It divides each row by its sum: counts are asked for.",
            ("return matrix", "return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)"),
        ),
        mistake(
            "shares of all samples",
            "It divides by the number of samples: counts are asked for.",
            ("return matrix", "return matrix / len(labels)"),
        ),
        mistake(
            "floats",
            "It counts in floats: counts are whole numbers, dtype=np.int64.",
            (", dtype=np.int64", ""),
        ),
        mistake(
            "classes counted from 1",
            "It counts the classes from 1, so that each lands one row and one column too early: "
            "they are counted from 0.",
            ("matrix[label, prediction]", "matrix[label - 1, prediction - 1]"),
        ),
        mistake(
            "classes shifted down",
            "It adds 1 to the labels, so that the last class has no place: they are counted from "
            "0.",
            ("matrix[label, prediction]", "matrix[label + 1, prediction + 1]"),
        ),
        mistake(
            "last sample left out",
            "It leaves out the last sample.",
            ("zip(labels, predictions, strict=True)", "zip(labels[:-1], predictions[:-1])"),
        ),
        mistake(
            "every pair of samples",
            "It pairs each label with the guesses of all samples: go through both together, with "
            "zip.",
            ("label, prediction in zip(labels, predictions, strict=True)",
             "label, prediction in ((a, b) for a in labels for b in predictions)"),
        ),
        mistake(
            "both triangles",
            "It counts a confusion both ways: 3 taken for 5 is another thing than 5 taken for 3.",
            ("        matrix[label, prediction] += 1",
             "        matrix[label, prediction] += 1\n"
             "        matrix[prediction, label] += label != prediction"),
        ),
    ),
)  # fmt: skip

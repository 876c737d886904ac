"""Exercises: what a network learns from: standardised images, in batches."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

standard = Exercise(
    solution.standardise,
    inputs.image_sets,
    returns="train_x, test_x",
    size="that of train, and that of test",
    hints=(
        "Which axes are left when each channel has one number? keepdims=True keeps the others as "
        "1, so that they broadcast.",
        "The network must see a test image as it would see a training image: with the same mean "
        "and std.",
        "np.where(std == 0, 1, std) guards the division.",
    ),
    mistakes=(
        mistake(
            "test images with their own statistics",
            "It takes mean and std of the test images for these. Then the same image looks "
            "different to the network: use those of train for both.",
            body="""
            result = []
            for x in (train, test):
                mean, std = x.mean(axis=(0, 2, 3)), x.std(axis=(0, 2, 3))
                std = np.where(std == 0, 1, std)
                y = (x - mean[:, None, None]) / std[:, None, None]
                result.append(y.astype(np.float32))
            return tuple(result)
            """,
        ),
        mistake(
            "statistics of both sets",
            "It takes mean and std over both sets: test images must not have a say in the "
            "training.",
            ("train.mean(axis", "np.concatenate([train, test]).mean(axis"),
            ("train.std(axis", "np.concatenate([train, test]).std(axis"),
        ),
        mistake(
            "statistics over all channels",
            "It takes mean and std over the channels too: each channel has its own.",
            ("train.mean(axis=(0, 2, 3), keepdims=True)", "train.mean(keepdims=True)"),
            ("train.std(axis=(0, 2, 3), keepdims=True)", "train.std(keepdims=True)"),
        ),
        mistake(
            "statistics of each image",
            "It takes mean and std of each image: they are over all images, for each channel.",
            body="""
            result = []
            for x in (train, test):
                std = x.std(axis=(2, 3), keepdims=True)
                y = (x - x.mean(axis=(2, 3), keepdims=True)) / np.where(std == 0, 1, std)
                result.append(y.astype(np.float32))
            return tuple(result)
            """,
        ),
        mistake(
            "statistics of each pixel",
            "It takes mean and std of each pixel over the images: they are over all pixels too.",
            ("train.mean(axis=(0, 2, 3)", "train.mean(axis=0"),
            ("train.std(axis=(0, 2, 3)", "train.std(axis=0"),
        ),
        mistake(
            "unbiased for biased",
            "It divides the sum of squares by n - 1, as ddof=1 does: std here is the root of the "
            "mean of the squares.",
            ("train.std(axis=(0, 2, 3)", "train.std(ddof=1, axis=(0, 2, 3)"),
        ),
        mistake(
            "variance for std",
            "It divides by the variance: divide by its root.",
            ("train.std(", "train.var("),
        ),
        mistake(
            "mean not subtracted",
            "It divides by std and does not subtract the mean.",
            ("(train - mean)", "train"),
            ("(test - mean)", "test"),
        ),
        mistake(
            "not divided",
            "It subtracts the mean and does not divide by std.",
            ("(train - mean) / std", "(train - mean)"),
            ("(test - mean) / std", "(test - mean)"),
        ),
        mistake(
            "constant channel",
            "It divides by 0 where a channel is constant: take 1 for a std of 0.",
            ("np.where(std == 0, 1, std)", "std"),
        ),
        mistake(
            "subtracted in uint8",
            "It subtracts whole numbers of type uint8, whose results wrap around below 0: 3 - 5 is "
            "254. Convert to floats first.",
            ("(train - mean)", "(train - mean.astype(train.dtype))"),
            ("(test - mean)", "(test - mean.astype(test.dtype))"),
        ),
        mistake(
            "dtype kept",
            "Its results are not float32: end with .astype(np.float32).",
            (".astype(np.float32), ", ", "),
            ("((test - mean) / std).astype(np.float32)", "(test - mean) / std"),
        ),
    ),
)  # fmt: skip

batches = Exercise(
    solution.minibatches,
    inputs.orders,
    returns="batches",
    hints=(
        "Draw the order once, then cut it: order[start : start + batch_size].",
        "range(0, n, batch_size) goes over the starts; slices end where the array ends.",
    ),
    mistakes=(
        mistake(
            "last batch lost",
            "It drops the last batch where batch_size does not divide n: its samples would not be "
            "learned from.",
            ("range(0, n, batch_size)", "range(0, n - batch_size + 1, batch_size)"),
        ),
        mistake(
            "last batch always lost",
            "It drops the last batch, even where it is full: range(a, b) ends before b.",
            ("range(0, n, batch_size)", "range(0, n - batch_size, batch_size)"),
        ),
        mistake(
            "last batch empty",
            "It adds an empty batch where batch_size divides n: the number of batches is "
            "n / batch_size rounded up.",
            ("range(0, n, batch_size)", "range(0, n + 1, batch_size)"),
        ),
        mistake(
            "last batch filled up",
            "It fills the last batch with samples that were there: every sample occurs once.",
            ("order[start : start + batch_size]",
             "np.resize(np.roll(order, -start), batch_size)"),
        ),
        mistake(
            "last batch from the end",
            "It takes the last batch_size numbers for the last batch, so that some come twice: "
            "the last batch has what is left.",
            ("order[start : start + batch_size]",
             "order[max(0, min(start, n - batch_size)) : start + batch_size]"),
        ),
        mistake(
            "rest as a first batch",
            "Its smaller batch comes first: the first batch has the first batch_size numbers.",
            ("range(0, n, batch_size)]", "range(-(-n % batch_size), n, batch_size)]"),
            ("order[start : start", "order[max(0, start) : start"),
        ),
        mistake(
            "batches of equal size",
            "It cuts the order into parts of about the same size: all but the last have "
            "batch_size.",
            ("[order[start : start + batch_size] for start in range(0, n, batch_size)]",
             "np.array_split(order, -(-n // batch_size))"),
        ),
        mistake(
            "not shuffled",
            "It keeps the order of the data: use rng.permutation(n).",
            ("= rng.permutation(n)", "= np.arange(n)"),
        ),
        mistake(
            "batches shuffled, not samples",
            "It shuffles the batches and keeps each as it was: then the same samples always come "
            "together.",
            body="""
            order = np.arange(n)
            cut = [order[start : start + batch_size] for start in range(0, n, batch_size)]
            return [cut[i] for i in rng.permutation(len(cut))]
            """,
        ),
        mistake(
            "drawn with replacement",
            "It draws numbers independently, so that some come twice and some never: that is no "
            "permutation.",
            ("= rng.permutation(n)", "= rng.integers(0, n, n)"),
        ),
        mistake(
            "new order for each batch",
            "It draws a new order for each batch: some samples come twice and some never. Draw it "
            "once.",
            ("[order[start", "[rng.permutation(n)[start"),
            ("    order = rng.permutation(n)\n", ""),
        ),
        mistake(
            "own generator",
            "It uses a generator of its own with a fixed seed: every epoch would have the same "
            "order. Use rng.",
            ("= rng.permutation", "= np.random.default_rng(0).permutation"),
        ),
        mistake(
            "batches overlap",
            "Its batches overlap by one: a slice ends before its second number, so no 1 is to be "
            "added.",
            ("start + batch_size]", "start + batch_size + 1]"),
        ),
        mistake(
            "batches one apart",
            "Each of its batches begins one sample after the one before: they begin batch_size "
            "apart.",
            ("range(0, n, batch_size)", "range(n)"),
        ),
        mistake(
            "number of batches taken for their size",
            "It makes batch_size batches: batch_size is how many samples one has.",
            ("[order[start : start + batch_size] for start in range(0, n, batch_size)]",
             "np.array_split(order, batch_size)"),
        ),
    ),
)  # fmt: skip

"""Fashion-MNIST: pictures of clothes in MNIST's format."""

from __future__ import annotations

from .mnist import MNIST


class FashionMNIST(MNIST):
    """Articles of clothing, grey, 28x28: 60,000 for training and 10,000 for testing.

    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms" (2017), arXiv:1708.07747. MIT licence.

    Args:
        root: the folder with the data, which holds the four ``.gz`` files or a folder
            ``fashion-mnist`` (or torchvision's ``FashionMNIST/raw``) with them.
        train, transform, target_transform, download: as for `MNIST`; the files take 30 MB.
    """

    name = "fashion-mnist"
    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
    mean = (0.2860,)
    std = (0.3530,)

    folders = ("fashion-mnist", "FashionMNIST/raw", "")
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    )
    md5 = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }

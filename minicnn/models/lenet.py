"""LeNet-5, the network that read the cheques: the pattern that convolutional networks still follow.

Convolution finds features wherever they are, pooling forgets where exactly they were, and after
each such pair there are more channels and fewer pixels, until what is left is a short list of
features for a small dense network to decide on.

Tutorial: tutorials/09_lenet.ipynb
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from .. import nn
from ..errors import ShapeError


def lenet5(input_shape: Sequence[int] = (1, 28, 28), num_classes: int = 10) -> nn.Sequential:
    """LeNet-5 in its modern form: 61,706 parameters for 28x28 grey images and ten classes.

    Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document
    recognition", figure 2. The layers in its notation, with their outputs::

        c1  convolution 5x5   (6, 28, 28)     28x28 images are padded by 2, as in the paper
        s2  pooling 2x2       (6, 14, 14)
        c3  convolution 5x5   (16, 10, 10)
        s4  pooling 2x2       (16, 5, 5)
        c5  dense             (120,)          in the paper a 5x5 convolution of 5x5: the same
        f6  dense             (84,)
        output                (num_classes,)

    What is modern: ReLU for tanh, maximum for trainable mean pooling, every map of c3 sees all of
    s2, and logits with cross-entropy for radial basis functions.

    Args:
        input_shape: (C, 28, 28) or (C, 32, 32), of any number of channels C.
        num_classes: the length of the output.

    Shape: input (N, C, H, W), output (N, num_classes).
    """
    channels, height, width = input_shape
    if (height, width) not in ((28, 28), (32, 32)):
        raise ShapeError(
            f"lenet5: takes images of 28x28 or 32x32 pixels, got {height}x{width}; resize them "
            "(minicnn.data.transforms.Resize) or use the model 'cifar_cnn'"
        )
    return nn.Sequential(
        OrderedDict(
            c1=nn.Conv2d(channels, 6, 5, padding=2 if height == 28 else 0),
            relu1=nn.ReLU(),
            s2=nn.MaxPool2d(2),
            c3=nn.Conv2d(6, 16, 5),
            relu3=nn.ReLU(),
            s4=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            c5=nn.Linear(16 * 5 * 5, 120),
            relu5=nn.ReLU(),
            f6=nn.Linear(120, 84),
            relu6=nn.ReLU(),
            output=nn.Linear(84, num_classes),
        )
    )

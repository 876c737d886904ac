"""The networks of the workloads, written once for every engine that has PyTorch's `nn`."""

from __future__ import annotations

from typing import Any


def lenet5(nn: Any) -> Any:
    """LeNet-5 (LeCun et al. 1998) as it is written today: 28 x 28 x 1, ReLU, max pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip


def cifar(nn: Any) -> Any:
    """Three convolutions and two dense layers on 32 x 32 x 3."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(4096, 512), nn.ReLU(), nn.Linear(512, 10),
    )  # fmt: skip


def keras_style(nn: Any) -> Any:
    """The network of a well-known Keras example: unpadded convolutions, batch norm, dropout."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(), nn.BatchNorm2d(32), nn.Conv2d(32, 32, 3), nn.ReLU(),
        nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.BatchNorm2d(64), nn.Conv2d(64, 64, 3), nn.ReLU(),
        nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(1600, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10),
    )  # fmt: skip


def resnet20(nn: Any) -> Any:
    """ResNet-20 for CIFAR (He et al. 2015, section 4.2), with shortcuts of option A."""

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int):
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(after)
            self.relu = nn.ReLU()
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(after)
            self.stride, self.more = stride, after - before

        def forward(self, x: Any) -> Any:
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            if self.stride > 1:
                x = nn.functional.pad(
                    x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2)
                )
            return self.relu(y + x)

    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for before, after in ((16, 16), (16, 32), (32, 64)):
        layers += [
            Block(before, after, after // before),
            Block(after, after, 1),
            Block(after, after, 1),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def vgg11(nn: Any) -> Any:
    """VGG-11 with batch norm (Simonyan and Zisserman 2014, configuration A) on 32 x 32."""
    layers: list[Any] = []
    channels = 3
    for width in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"):
        if width == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        channels = int(width)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def large_images(nn: Any) -> Any:
    """Three convolutions and two dense layers on 224 x 224 x 3."""
    layers: list[Any] = []
    for before, after in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(100352, 256), nn.ReLU(), nn.Linear(256, 10)
    )

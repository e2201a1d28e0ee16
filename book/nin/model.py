"""The network of the book, its variants and their initial weights. Chapters 1 to 7."""

import math

import torch
from torch import nn

from .recipes import INITS, SECTION, Variant

# An 11×11 window with stride 4, then three 3×3 pools with stride 2, leave one position.
SMALLEST = 67


def nin_block(in_channels, out_channels, kernel_size, strides, padding, num_1x1=2):
    """A convolution, then 1×1s on its channels, a ReLU after each (Lin et al. 2013)."""
    first = nn.Conv2d(in_channels, out_channels, kernel_size, strides, padding)
    layers = [first, nn.ReLU()]
    for _ in range(num_1x1):
        layers += [nn.Conv2d(out_channels, out_channels, kernel_size=1), nn.ReLU()]
    return nn.Sequential(*layers)


def nin(in_channels=1, num_classes=10):
    """The network of d2l, section 7.3: images (n, c, 224, 224) to (n, num_classes)."""
    net = nn.Sequential(
        nin_block(in_channels, 96, kernel_size=11, strides=4, padding=0),
        nn.MaxPool2d(3, stride=2),
        nin_block(96, 256, kernel_size=5, strides=1, padding=2),
        nn.MaxPool2d(3, stride=2),
        nin_block(256, 384, kernel_size=3, strides=1, padding=1),
        nn.MaxPool2d(3, stride=2),
        nn.Dropout(0.5),
        # One class map per class.
        nin_block(384, num_classes, kernel_size=3, strides=1, padding=1),
        nn.AdaptiveAvgPool2d((1, 1)),  # (n, classes, 5, 5) -> (n, classes, 1, 1)
        nn.Flatten(),
    )
    net.register_forward_pre_hook(check_images)  # a wrong image gets a clear message
    return net


def check_images(net, args):
    """Raise ValueError unless args[0] are images (n, c, h, w) that `net` can take."""
    shape, channels = tuple(args[0].shape), net[0][0].in_channels
    if len(shape) != 4 or shape[1] != channels:
        raise ValueError(f"The network takes images of shape (n, {channels}, height, "
                         f"width), not {shape}. One image alone needs a batch axis: "
                         f"image[None].")
    if net[0][0].stride != (1, 1) and min(shape[2:]) < SMALLEST:
        raise ValueError(f"The network takes images of at least {SMALLEST}×{SMALLEST} "
                         f"pixels, not {shape[2]}×{shape[3]}: enlarge them first, as "
                         f"with nin.data.enlarge(images, 224).")


def check_native(stem, args):
    """Raise ValueError unless args[0] are the 28×28 images of a native network."""
    height, width = args[0].shape[2:]
    if (height, width) != (28, 28):
        raise ValueError(f"This network takes the 28×28 images as they are, not "
                         f"{height}×{width}: leave out the enlargement, as "
                         f"nin.step.forward does with Speed(fold=True).")


def build(variant=SECTION.variant):
    """The network of a Variant, with torch's weights: layers 0 to 6 are its body."""
    unit = 4 if variant.native else 1  # so that vector units take the channels whole
    wide = (96, 256, 384 * variant.last_width)
    c1, c2, c3 = (max(1, round(variant.width * c / unit)) * unit for c in wide)
    first = (5, 1, 2) if variant.native else (11, 4, 0)
    stages = []
    for sizes in ((variant.in_channels, c1, *first), (c1, c2, 5, 1, 2),
                  (c2, c3, 3, 1, 1)):
        stage, channels = _block(*sizes, variant), sizes[1]
        for _ in range(variant.depth - 1):
            stage.extend(_block(channels, channels, 3, 1, 1, variant))
        # Small maps are padded: 28, 14, 7 and 4 positions to a side, not 28, 13, 6, 2.
        stages += [stage, nn.MaxPool2d(3, stride=2, padding=int(variant.native))]
    net = nn.Sequential(*stages, nn.Dropout(variant.dropout), *_head(c3, variant))
    net.register_forward_pre_hook(check_images)
    if variant.native:
        stages[0].register_forward_pre_hook(check_native)
    return net


def _block(c_in, c_out, kernel_size, strides, padding, variant):
    """`nin_block` with the variant's window and batch norm."""
    convs = [nn.Conv2d(c_in, c_out, kernel_size, strides, padding)]
    for _ in range(variant.num_1x1):
        convs.append(
            nn.Conv2d(c_out, c_out, variant.window, padding=variant.window // 2))
    block = nn.Sequential()
    for conv in convs:
        norm = [nn.BatchNorm2d(c_out)] if variant.batch_norm else []
        block.extend([conv, *norm, nn.ReLU()])
    return block


def _head(channels, variant):
    """From (n, channels, h, w) to logits; linear ones without the last ReLU.

    block      the NiN block of the section         3x3, 1x1   one convolution
    gradual    a 3×3 to 128 channels of the section's 384, 1×1s to 32 and on
    fc         the block, then a layer over its maps
    fc-hidden  no class maps: hidden units, AlexNet's 4096, on the flattened maps
    """
    classes = variant.num_classes
    if variant.head == "fc-hidden":
        flat = channels * variant.cells
        hidden = between(flat, classes, 4096, 9600)
        return [nn.Sequential(
            nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU(),
            nn.Dropout(variant.dropout), nn.Linear(hidden, classes))]
    if variant.head == "gradual":
        some, few = (between(channels, classes, number, 384) for number in (128, 32))
        maps = nn.Sequential(
            nn.Conv2d(channels, some, 3, padding=1), nn.ReLU(),
            nn.Conv2d(some, few, 1), nn.ReLU(), nn.Conv2d(few, classes, 1), nn.ReLU())
    elif variant.head in ("3x3", "1x1"):
        window = int(variant.head[0])
        conv = nn.Conv2d(channels, classes, window, padding=window // 2)
        maps = nn.Sequential(conv, nn.ReLU())
    else:
        num_1x1 = variant.num_1x1 if variant.head_1x1 is None else variant.head_1x1
        plain = Variant(num_1x1=num_1x1, window=variant.window)  # no batch norm on maps
        maps = _block(channels, classes, 3, 1, 1, plain)
    if variant.head == "fc":
        return [maps, nn.Flatten(), nn.Linear(variant.cells * classes, classes)]
    if variant.linear_logits:
        maps = maps[:-1]
    return [maps, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()]


def between(features, classes, number, whole):
    """As many units as lie between `features` and `classes` where `number` lies between
    `whole` and 10, in geometric steps: 128 of 384 on the way to 10 become 49 of 96."""
    way = math.log(whole / number) / math.log(whole / 10)
    return round(features * (classes / features) ** way)


def last_of_body(net):
    """The name of the weights that make the representation, as "4.4.weight"."""
    convs = [name for name, part in net[:7].named_modules()
             if isinstance(part, nn.Conv2d)]
    return f"{convs[-1]}.weight"


def xavier(net):
    """d2l's: Xavier-uniform weights (Glorot & Bengio 2010), biases as is; in place."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
    return net


def kaiming(net):
    """Kaiming-normal weights for ReLUs (He et al. 2015) and zero biases, in place."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return net


def with_biases(net, initialise, zero):
    """An initialisation's weights, in place; the biases zero, or those the net has."""
    biases = {name: torch.zeros_like(p) if zero else p.detach().clone()
              for name, p in net.named_parameters() if name.endswith("bias")}
    initialise(net).load_state_dict(biases, strict=False)
    return net


# By their names in nin.recipes; biases apart from weights.
INITIALISATIONS = dict(zip(INITS, (
    xavier, kaiming, lambda net: with_biases(net, xavier, zero=True),
    lambda net: with_biases(net, kaiming, zero=False)), strict=True))


@torch.no_grad()
def class_maps(net, images):
    """What global average pooling averages, in eval mode: (n, num_classes, h, w)."""
    if not any(isinstance(layer, nn.AdaptiveAvgPool2d) for layer in net):
        raise ValueError("this network has no class maps: its head does not end in "
                         "global average pooling")
    was_training = net.training
    net.eval()
    maps = net[:-2](images)
    net.train(was_training)
    return maps


def dead_maps(net, images):
    """How many class maps are 0 everywhere on all images: they pass no gradient."""
    return int((class_maps(net, images).amax(dim=(0, 2, 3)) == 0).sum())

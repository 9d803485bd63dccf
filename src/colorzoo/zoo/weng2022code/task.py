"""Training of L-CoDe (Weng et al., AAAI 2022) with captions that are derived from class maps.

The authors annotated captions of COCO. Here a caption names objects of the class map and their colors, such
as ``red car``. Most named objects are repainted in a random color, because otherwise the image alone would
often determine the color. https://doi.org/10.1609/aaai.v36i3.20170
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Annotated, Literal, NamedTuple, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import decode_text
from colorzoo.randomness import stream_seed
from colorzoo.settings import NonNegativeFloat, Positive, Probability, Range
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.weng2022code.model import (
    COLORS,
    LENGTH,
    OBJECTS,
    WORDS,
    LanguageColorization,
    word_numbers,
)

HUES = {
    "red": 35,
    "orange": 65,
    "yellow": 95,
    "green": 140,
    "blue": 270,
    "purple": 315,
    "pink": 0,
    "brown": 60,
}
"""CIE Lab hue of each chromatic color term in degrees."""
CHROMAS = {
    "red": 55, "orange": 60, "yellow": 60, "green": 45, "blue": 45, "purple": 45, "pink": 40, "brown": 30,
}  # fmt: skip
"""Chroma of painted objects in CIE units; sRGB can limit it."""
KEPT_COLORS = ("person", "skin", "zebra")
"""Objects that are not repainted."""
COCO_STUFF_WORDS = {
    "person": (1,), "bicycle": (2,), "car": (3,), "motorcycle": (4,), "airplane": (5,), "bus": (6,),
    "train": (7,), "truck": (8,), "boat": (9,), "chair": (15, 62), "bird": (16,), "cat": (17,), "dog": (18,),
    "horse": (19,), "sheep": (20,), "cow": (21,), "elephant": (22,), "bear": (23, 88), "zebra": (24,),
    "giraffe": (25,), "bag": (27, 31), "umbrella": (28,), "tie": (32,), "suitcase": (33,), "bottle": (44, 46),
    "cup": (47,), "bowl": (51,), "banana": (52,), "apple": (53,), "vegetable": (56, 57, 170), "pizza": (59,),
    "cake": (60, 61), "couch": (63,), "plant": (64,), "bed": (65, 93), "table": (67, 107, 165), "tv": (72,),
    "laptop": (73, 76), "oven": (78, 79), "refrigerator": (82,), "book": (84,), "building": (96, 128, 158),
    "cabinet": (98, 108, 156), "ceiling": (102, 103), "curtain": (109, 180), "sand": (111, 125, 154),
    "door": (112,), "fence": (113,), "floor": (114, 115, 116, 117, 118), "flower": (119,),
    "grass": (124, 145), "mountain": (127, 135, 150), "road": (140, 149), "rug": (101, 152),
    "sea": (148, 155, 178), "sky": (106, 157), "snow": (159,), "tree": (169,), "window": (181,),
    "wall": (171, 172, 173, 174, 175, 176, 177),
}  # fmt: skip
"""COCO-Stuff category ids of the objects; the classes of `CocoStuffDataModule`."""
_LEAST_AREA = 0.012  # smallest area of a named object, relative to the image
_MOST_FACTOR, _MOST_POSITIVE = 12.0, 8.0  # largest weights of small objects in the losses
_LABELED = 0.5  # least labeled area of an image that is said to contain no other object
_MAX_NAMED = 3
_ABSENT_PROB = 0.25
_COLOR_FIRST_PROB = 0.8


class Captions(NamedTuple):
    """Captions of a batch, and the targets of the network.

    Attributes:
        words: Word numbers ``(B, N)``.
        ab: ``(B, 2, H, W)``, target colors in CIE units.
        weight: ``(B, 1, H, W)``, loss weight of each pixel.
        correspondence: ``(B, N, N)``, the OCCM; -1 for an image whose caption is not simulated.
        attention: ``(B, N, h, w)``, fraction of each cell of 8 x 8 pixels that the object covers; -1 for
            words that are not an object.
    """

    words: Tensor
    ab: Tensor
    weight: Tensor
    correspondence: Tensor
    attention: Tensor


class Weng2022Code(SingleOptimizerModule):
    """Training task of `LanguageColorization`.

    Images are trained with their text (``--data.hints [text]``). Images without a text get simulated captions
    if they have class maps (``--data.classes true``). Only simulated captions have targets of the attention.

    Args:
        width: See `LanguageColorization`.
        text_width: See `LanguageColorization`.
        text_scale: See `LanguageColorization`; without effect on the training.
        gate_sharpness: See `LanguageColorization`.
        class_numbers: Classes of the class maps: ``coco_stuff`` for COCO-Stuff category ids, ``objects`` for
            positions in `OBJECTS`, from 1.
        correspondence_weight: Weight of the cross-entropy of the OCCM (the paper uses 0.1).
        attention_weight: Weight of the cross-entropy between attention and class map, which the paper does
            not have.
        gate_weight: Weight of the cross-entropy between gate and class map, which the paper does not have.
        object_factor: Factor on the color loss of the pixels of named objects that cover more than 13 % of
            the image. The factor of smaller objects grows to 12, as the inverse of their area.
        object_weights: Relative probability to be named, for objects that are not equally likely (weight 1),
            so that captions contain objects that are rare in the training images.
        repaint_prob: Probability that a named object gets a random color.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    model: LanguageColorization

    def __init__(
        self,
        width: Annotated[int, Range(3, step=3)] = 96,
        text_width: Annotated[int, Range(2, step=2)] = 96,
        text_scale: Positive = 1.4,
        gate_sharpness: Positive = 1.0,
        class_numbers: Literal["coco_stuff", "objects"] = "coco_stuff",
        correspondence_weight: NonNegativeFloat = 0.5,
        attention_weight: NonNegativeFloat = 1.5,
        gate_weight: NonNegativeFloat = 1.0,
        object_factor: NonNegativeFloat = 3.0,
        object_weights: Mapping[str, float] | None = None,
        repaint_prob: Probability = 0.7,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(LanguageColorization(width, text_width, text_scale, gate_sharpness), **optimization)
        # number of the object of each class, from 1; 0 for other classes
        self.object_numbers = torch.arange(256)
        if class_numbers == "coco_stuff":
            self.object_numbers = torch.zeros(256, dtype=torch.long)
            for number, name in enumerate(OBJECTS, start=1):
                self.object_numbers[list(COCO_STUFF_WORDS.get(name, ()))] = number
        self.correspondence_weight, self.attention_weight = correspondence_weight, attention_weight
        self.gate_weight, self.object_factor, self.repaint_prob = gate_weight, object_factor, repaint_prob
        self.object_weights = dict(object_weights or {})
        if unknown := set(self.object_weights) - set(OBJECTS):
            raise ValueError(f"unknown objects in object_weights: {', '.join(sorted(unknown))}")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the smooth L1 loss of the colors and the losses of OCCM, attention and gate."""
        lab = rgb_to_lab(batch["rgb"])
        captions = self.captions_of(batch, lab)
        found = self.model.network(self.model.encoder(lab[:, :1]), captions.words)
        # colors at half the size, in units of 25 CIE units
        target_ab = F.avg_pool2d(captions.ab, 2)
        error = F.smooth_l1_loss(found.ab / 25, target_ab / 25, beta=0.4, reduction="none").sum(
            dim=1, keepdim=True
        )
        losses = {"color": (error * F.avg_pool2d(captions.weight, 2)).mean()}
        # pairs of object and color are rare, so their weight is 6
        is_word = captions.words > 0
        is_known = captions.correspondence >= 0
        is_pair = is_word[:, :, None] & is_word[:, None] & is_known
        target = captions.correspondence.clamp(min=0)
        cross_entropy = F.binary_cross_entropy_with_logits(
            found.correspondence, target, 1 + 5 * target, reduction="none"
        )
        losses["correspondence"] = (cross_entropy * is_pair).sum() / is_pair.sum().clamp(min=1)
        is_object = captions.attention >= 0
        target = captions.attention.clamp(min=0)
        cross_entropy = F.binary_cross_entropy_with_logits(
            found.attention, target, cell_weights(target), reduction="none"
        )
        losses["attention"] = (cross_entropy * is_object).sum() / is_object.sum().clamp(min=1)
        # the mean over the images whose objects are known
        named, is_known = target.amax(dim=1, keepdim=True), is_known[:, :1, :1, None]
        losses["gate"] = F.binary_cross_entropy(
            found.gate.clamp(1e-5, 1 - 1e-5), named, cell_weights(named) * is_known
        ) * (len(lab) / is_known.sum().clamp(min=1))
        loss = losses["color"] + self.correspondence_weight * losses["correspondence"]
        loss = loss + self.attention_weight * losses["attention"] + self.gate_weight * losses["gate"]
        self.log_losses({"loss": loss, **losses}, len(lab))
        return loss

    def captions_of(self, batch: Batch, lab: Tensor) -> Captions:
        """Return the texts of the batch; images without a text get simulated captions from class maps."""
        cells = [side // 8 for side in lab.shape[2:]]
        device = lab.device
        words = torch.zeros(len(lab), LENGTH, dtype=torch.long, device=device)
        correspondence = torch.zeros(len(lab), LENGTH, LENGTH, device=device)
        attention = torch.full((len(lab), LENGTH, *cells), -1.0, device=device)
        ab, weight = lab[:, 1:].clone(), torch.ones_like(lab[:, :1])
        codes = batch.get("text")
        texts = [""] * len(lab) if codes is None else decode_text(codes)
        for index, (text, seed) in enumerate(zip(texts, batch["seed"].tolist(), strict=True)):
            if text or "classes" not in batch:
                words[index] = torch.tensor(word_numbers(text), device=device)
                correspondence[index] = -1.0  # unknown
                continue
            random = Random(stream_seed("captions", seed))
            numbers = self.object_numbers.to(device)[batch["classes"][index, 0].long()]
            counts = numbers.flatten().bincount(minlength=len(OBJECTS) + 1)[1:].tolist()
            # name some objects of the image, and sometimes an object that the image does not contain
            areas = {name: count / numbers.numel() for name, count in zip(OBJECTS, counts, strict=True)}
            present = [name for name, area in areas.items() if area > _LEAST_AREA]
            # the largest values of u^(1/w) are a sample without replacement with the weights w (Efraimidis
            # and Spirakis 2006, https://doi.org/10.1016/j.ipl.2005.11.003)
            present.sort(key=lambda name: -(random.random() ** (1 / self.object_weights.get(name, 1.0))))
            named = present[: random.randint(0, _MAX_NAMED)]
            # other objects, such as clothes, are not labeled in all images
            absent = [name for name in COCO_STUFF_WORDS if not areas[name]]
            is_labeled = float((batch["classes"][index] > 0).float().mean()) > _LABELED
            if absent and is_labeled and random.random() < _ABSENT_PROB:
                named.append(random.choice(absent))
            for position, name in enumerate(named):
                mask = numbers == OBJECTS.index(name) + 1
                color = random.choice(COLORS)
                if name in present and (name in KEPT_COLORS or random.random() >= self.repaint_prob):
                    color = color_name(*lab[index, :, mask].mean(dim=1).tolist())
                elif name in present:
                    soft = F.avg_pool2d(mask[None].float(), 3, 1, 1, count_include_pad=False)
                    ab[index] = torch.lerp(ab[index], painted(lab[index, :1], color), soft)
                if name in present:
                    by_area = 0.4 / areas[name]
                    weight[index, 0, mask] = max(self.object_factor, min(by_area, _MOST_FACTOR))
                # the color stands before or after the object
                object_at = 2 * position + (random.random() < _COLOR_FIRST_PROB)
                color_at = 4 * position + 1 - object_at
                words[index, object_at], words[index, color_at] = WORDS.index(name), WORDS.index(color)
                correspondence[index, object_at, color_at] = 1.0
                attention[index, object_at] = F.avg_pool2d(mask[None].float(), 8)[0]
        return Captions(words, ab, weight, correspondence, attention)


def cell_weights(target: Tensor) -> Tensor:
    """Return weights of the cells of masks, so that small objects are not predicted as background.

    The weight of the cells of an object is the square root of the ratio of other cells to its own cells,
    from 1 to 8. The other cells have the weight 1.

    Args:
        target: ``(B, N, h, w)`` in [0, 1].
    """
    area = target.mean(dim=(2, 3), keepdim=True).clamp(min=1e-3)
    positive = ((1 - area) / area).sqrt().clamp(1.0, _MOST_POSITIVE)
    return torch.lerp(torch.ones_like(target), positive, target)


def painted(lightness: Tensor, color: str) -> Tensor:
    """Return ab ``(2, H, W)`` in CIE units of a color term at the lightness ``(1, H, W)`` of an object.

    Examples:
        >>> painted(torch.full((1, 2, 2), 50.0), "gray").abs().max()
        tensor(0.)
    """
    if color not in HUES:
        return torch.zeros_like(lightness).expand(2, -1, -1)
    hue, chroma = math.radians(HUES[color]), CHROMAS[color]
    ab = [torch.full_like(lightness, chroma * part) for part in (math.cos(hue), math.sin(hue))]
    return rgb_to_lab(lab_to_rgb_in_gamut(torch.cat([lightness, *ab])[None]))[0, 1:]


def color_name(lightness: float, a: float, b: float) -> str:
    """Return the basic color term of a color in CIE Lab.

    Examples:
        >>> color_name(50, 50, 35), color_name(90, 1, 2), color_name(40, 12, 20)
        ('red', 'white', 'brown')
    """
    hue = math.degrees(math.atan2(b, a)) % 360
    if math.hypot(a, b) < 8:
        return "black" if lightness < 25 else "white" if lightness > 80 else "gray"
    if 20 < hue < 85 and lightness < 55 and math.hypot(a, b) < 45:
        return "brown"
    name = min(HUES.keys() - {"brown"}, key=lambda name: abs((hue - HUES[name] + 180) % 360 - 180))
    return "pink" if name == "red" and lightness > 62 else name

"""Simulated users that guide the whole image: by a reference, by color statistics, or by classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from colorzoo.card import GuidanceKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import ClassMap, Exemplar, GlobalStatistics, Guidance, statistics_of
from colorzoo.simulation.session import ColorizedImage, InputFunction, TargetImage, UserInput


@dataclass(frozen=True)
class ExemplarUser:
    """Provide the reference of the image in one interaction.

    Examples:
        >>> lab = torch.full((1, 3, 32, 48), 50.0)
        >>> rgb = colorzoo.lab_to_rgb(lab)
        >>> target = TargetImage(lab[:, :1], rgb, lab[:, 1:], seed=0, exemplar=rgb)
        >>> gray = ColorizedImage(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> ExemplarUser().begin(target, gray, None)(1, gray).guidance.kinds()
        ('exemplar',)
    """

    kind: ClassVar[GuidanceKind] = "exemplar"
    adaptive: ClassVar[bool] = False

    def begin(self, target: TargetImage, first: ColorizedImage, model: object) -> InputFunction:
        """Start a session; see `SimulatedUser`."""
        if target.exemplar is None:
            raise GuidanceError("the simulated user exemplar needs a reference for every image")
        return _at_once(Guidance(exemplar=Exemplar(target.exemplar)))


@dataclass(frozen=True)
class TrueStatistics:
    """Provide the true color statistics in one interaction (Zhang et al. 2017).

    Examples:
        >>> rgb = torch.rand(1, 3, 64, 64)
        >>> lab = colorzoo.rgb_to_lab(rgb)
        >>> target = TargetImage(lab[:, :1], rgb, lab[:, 1:], seed=0)
        >>> gray = ColorizedImage(torch.zeros(1, 3, 64, 64), torch.zeros(1, 2, 64, 64))
        >>> TrueStatistics().begin(target, gray, None)(1, gray).guidance.kinds()
        ('statistics',)

    Attributes:
        give: ``"histogram"`` (color histogram), ``"saturation"`` (mean saturation) or ``"both"``.
    """

    give: Literal["histogram", "saturation", "both"] = "histogram"
    kind: ClassVar[GuidanceKind] = "statistics"
    adaptive: ClassVar[bool] = False

    def begin(self, target: TargetImage, first: ColorizedImage, model: object) -> InputFunction:
        """Start a session; see `SimulatedUser`."""
        true = statistics_of(target.rgb)
        histogram = true.histogram if self.give != "saturation" else None
        saturation = true.saturation if self.give != "histogram" else None
        return _at_once(Guidance(statistics=GlobalStatistics(histogram, saturation)))


@dataclass(frozen=True)
class ClassMapUser:
    """Label the true classes one by one, largest first; unlabeled pixels have class 0 (Chen et al. 2023).

    Examples:
        >>> classes = colorzoo.ClassMap(torch.zeros(1, 1, 32, 48, dtype=torch.int64))
        >>> lab = torch.full((1, 3, 32, 48), 50.0)
        >>> target = TargetImage(lab[:, :1], colorzoo.lab_to_rgb(lab), lab[:, 1:], seed=0, classes=classes)
        >>> gray = ColorizedImage(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> ClassMapUser().begin(target, gray, None)(1, gray).guidance.kinds()
        ('classes',)

    If there is a reference, it is provided from the start, and its classes are labeled in the same way.
    """

    kind: ClassVar[GuidanceKind] = "classes"
    adaptive: ClassVar[bool] = False

    def begin(self, target: TargetImage, first: ColorizedImage, model: object) -> InputFunction:
        """Start a session; see `SimulatedUser`."""
        if target.classes is None:
            raise GuidanceError("the simulated user class_map needs the true classes of every image")
        true = target.classes
        pixels = torch.bincount(true.target.flatten())
        pixels[0] = 0  # unlabeled
        order = torch.argsort(pixels, descending=True, stable=True)
        order = order[pixels[order] > 0]
        exemplar = None if target.exemplar is None else Exemplar(target.exemplar)

        def give_input(count: int, result: ColorizedImage) -> UserInput:
            del result
            labeled = order[:count]
            classes = torch.where(torch.isin(true.target, labeled), true.target, 0)
            reference = None
            if true.exemplar is not None:
                reference = torch.where(torch.isin(true.exemplar, labeled), true.exemplar, 0)
            guidance = Guidance(exemplar=exemplar, classes=ClassMap(classes, reference))
            return UserInput(guidance, len(labeled))

        return give_input


def _at_once(guidance: Guidance) -> InputFunction:
    """Return an input function that provides all guidance in one interaction."""

    def give_input(count: int, result: ColorizedImage) -> UserInput:
        del result
        return UserInput(guidance if count else Guidance(), min(count, 1))

    return give_input

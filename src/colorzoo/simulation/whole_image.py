"""Simulated users that provide a reference or color statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from colorzoo.card import GuidanceKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Exemplar, GlobalStatistics, Guidance, statistics_of
from colorzoo.simulation.session import InputFunction, SessionResult, TargetImage

GivenStatistics = Literal["histogram", "saturation", "both"]


@dataclass(frozen=True)
class ExemplarUser:
    """Simulated user that provides a reference image in one interaction.

    Examples:
        >>> lab = torch.full((1, 3, 32, 48), 50.0)
        >>> rgb = colorzoo.lab_to_rgb(lab)
        >>> target = TargetImage(lab[:, :1], rgb, lab[:, 1:], seed=0, exemplar=rgb)
        >>> gray = SessionResult(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> guidance, _ = ExemplarUser().begin(target, gray, None)(1, gray)
        >>> guidance.kinds()
        ('exemplar',)
    """

    kind: ClassVar[GuidanceKind] = "exemplar"
    adaptive: ClassVar[bool] = False

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session and return its `InputFunction`; see `SimulatedUser.begin`."""
        if target.exemplar is None:
            raise GuidanceError(
                "the simulated user 'exemplar' requires a reference for every image, got None"
            )
        return _at_once(Guidance(exemplar=Exemplar(target.exemplar)))


@dataclass(frozen=True)
class TrueStatistics:
    """Simulated user that provides true color statistics in one interaction.

    Zhang et al. 2017 evaluate their global hints with these statistics.

    Examples:
        >>> rgb = torch.rand(1, 3, 64, 64)
        >>> lab = colorzoo.rgb_to_lab(rgb)
        >>> target = TargetImage(lab[:, :1], rgb, lab[:, 1:], seed=0)
        >>> gray = SessionResult(torch.zeros(1, 3, 64, 64), torch.zeros(1, 2, 64, 64))
        >>> guidance, _ = TrueStatistics().begin(target, gray, None)(1, gray)
        >>> guidance.kinds()
        ('statistics',)

    Attributes:
        give: Statistics to provide: ``"histogram"`` (color histogram), ``"saturation"`` (mean saturation) or
            ``"both"``.
    """

    give: GivenStatistics = "histogram"
    kind: ClassVar[GuidanceKind] = "statistics"
    adaptive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.give not in get_args(GivenStatistics):
            known = ", ".join(get_args(GivenStatistics))
            raise GuidanceError(f"'give' must be one of {known}, got {self.give!r}")

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session and return its `InputFunction`; see `SimulatedUser.begin`."""
        true = statistics_of(target.rgb)
        histogram = true.histogram if self.give != "saturation" else None
        saturation = true.saturation if self.give != "histogram" else None
        return _at_once(Guidance(statistics=GlobalStatistics(histogram, saturation)))


def _at_once(guidance: Guidance) -> InputFunction:
    """Return an input function that provides all guidance in one interaction."""

    def give_input(count: int, _: SessionResult) -> tuple[Guidance, int]:
        return guidance if count else Guidance(), min(count, 1)

    return give_input

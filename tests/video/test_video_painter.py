"""Which colors a single frame gets."""

from typing import Any

import numpy as np
import pytest
import torch

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Exemplar
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.picture import Picture
from colorzoo.video.frame import Frame
from colorzoo.video.library import VideoError
from colorzoo.video.painter import Painter
from tiny_model import gray_picture, tiny_model, tiny_painter

LUMA = rgb_to_lab(torch.from_numpy(gray_picture(32, 48) / 255).float().expand(1, 3, 32, 48))[:, :1]


def frame(number: int, state: Any = "whole") -> Frame:
    return Frame(number, str(number), None, state)


def colored(seed: int, width: int = 48) -> Picture:
    rgb = np.random.default_rng(seed).uniform(0, 1, (32, width, 3)).astype(np.float32)
    return Picture(rgb)


class FramesModel:
    """Stands in for a model that colors frames: says what it was given as ab."""

    def color_frames(self, frames: Any, exemplar: Exemplar, previous: Any = None) -> Any:
        before = 0.0 if previous is None else float(previous[:, 1:].mean())
        shade = float(exemplar.rgb.mean())
        return torch.stack([torch.full((32, 48), before + 1), torch.full((32, 48), shade)])[None]


def frames_painter(keys: dict[int, Picture], reference: Exemplar | None = None) -> Painter:
    colorizer: Any = Colorizer(tiny_model(), device="cpu")
    colorizer.exemplar = lambda references: Exemplar(
        torch.from_numpy(references[0].source.rgb).permute(2, 0, 1)[None]
    )
    painter = Painter(colorizer, keys, reference)
    colorizer.model = FramesModel()
    return painter


def test_broken_frames_take_the_colors_of_the_one_before() -> None:
    painter = Painter(Colorizer(tiny_model(), device="cpu"))
    painter.begin()
    assert painter.color(frame(0, "damaged"), LUMA).abs().max() == 0
    first = painter.color(frame(1), LUMA)
    assert first.abs().max() > 1
    assert torch.equal(painter.color(frame(2, "missing"), LUMA * 0.5), first)
    painter.begin()
    assert painter.color(frame(3, "missing"), LUMA).abs().max() == 0


def test_strength_scales_chroma() -> None:
    colorizer = Colorizer(tiny_model(), device="cpu")
    whole, half = (Painter(colorizer, strength=s).color(frame(0), LUMA) for s in (1.0, 0.5))
    assert torch.allclose(half, whole / 2)


def test_a_key_keeps_its_colors_and_is_the_reference_from_there_on() -> None:
    first, second = colored(1), colored(2)
    painter = frames_painter({2: first, 4: second})
    shades = [float(painter.color(frame(n), LUMA)[0, 1].mean()) for n in (0, 1, 3, 5, 9)]
    means = [float(first.rgb.mean())] * 3 + [float(second.rgb.mean())] * 2
    assert shades == pytest.approx(means, abs=1e-5)
    own = rgb_to_lab(torch.from_numpy(first.rgb).permute(2, 0, 1)[None])[:, 1:]
    assert torch.allclose(painter.color(frame(2), LUMA), own, atol=1e-3)
    assert painter.is_key(frame(2), LUMA)
    assert not painter.is_key(frame(3), LUMA)


def test_the_frame_before_is_passed_on_within_a_shot() -> None:
    painter = frames_painter({}, Exemplar(torch.zeros(1, 3, 32, 48)))
    assert [float(painter.color(frame(n), LUMA)[0, 0].mean()) for n in range(3)] == pytest.approx(
        [1, 1.5, 1.75]
    )
    painter.begin()
    assert float(painter.color(frame(3), LUMA)[0, 0].mean()) == 1


def test_a_key_of_another_shape_is_only_a_reference() -> None:
    painter = frames_painter({0: colored(1, width=32)})
    assert not painter.is_key(frame(0), LUMA)
    assert "another shape" in next(iter(painter.notes))


def test_models_of_sketches_are_refused() -> None:
    with pytest.raises(VideoError, match="paints sketches"):
        Painter(Colorizer(tiny_painter(), device="cpu"))

"""Colorization of single frames."""

from typing import Any

import numpy as np
import pytest
import torch

from colorzoo.abilities import VideoModel
from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.frames import VideoFrame
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Exemplar
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from tiny_model import gray_image, tiny_model

LIGHTNESS = rgb_to_lab(torch.from_numpy(gray_image(32, 48) / 255).float().expand(1, 3, 32, 48))[:, :1]


def frame(number: int) -> VideoFrame:
    return VideoFrame(number)


def colored(seed: int, width: int = 48) -> RasterImage:
    rgb = np.random.default_rng(seed).uniform(0, 1, (32, width, 3)).astype(np.float32)
    return RasterImage(rgb)


class FramesModel(ColoringModel, VideoModel):
    """Stub of a video model that encodes its arguments in ab."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())
        self.trained = True

    def color_frames(self, frames: Any, exemplar: Exemplar, previous: Any = None) -> Any:
        before = 0.0 if previous is None else float(previous[:, 1:].mean())
        shade = float(exemplar.rgb.mean())
        return torch.stack([torch.full((32, 48), before + 1), torch.full((32, 48), shade)])[None]


def frames_colorer(
    keys: dict[int, RasterImage], reference: Exemplar | None = None, strength: float = 1.0
) -> FrameColorer:
    colorizer: Any = Colorizer(FramesModel(), device="cpu")
    colorizer.exemplar = lambda references: Exemplar(
        torch.from_numpy(references[0].source.rgb).permute(2, 0, 1)[None]
    )
    return FrameColorer(colorizer, keys, reference, strength)


def test_frame_colorer_strength_scales_chroma() -> None:
    colorizer = Colorizer(tiny_model(), device="cpu")
    whole, half = (FrameColorer(colorizer, strength=s).color(frame(0), LIGHTNESS) for s in (1.0, 0.5))
    assert torch.allclose(half, whole / 2)
    for number in (0, 1):  # a key frame, and a frame that the model colorizes
        whole, half = (
            frames_colorer({0: colored(1)}, strength=s).color(frame(number), LIGHTNESS) for s in (1.0, 0.5)
        )
        assert torch.allclose(half, whole / 2)


def test_frame_colorer_needs_every_frame_for_models_with_previous_frames() -> None:
    reference = Exemplar(torch.zeros(1, 3, 32, 48))
    assert frames_colorer({}, reference).every == 1
    assert frames_colorer({3: colored(1)}).every == 1
    assert frames_colorer({}).every is None
    assert FrameColorer(Colorizer(tiny_model(), device="cpu"), reference=reference).every is None


def test_frame_colorer_keeps_key_frames_and_uses_them_as_references() -> None:
    first, second = colored(1), colored(2)
    colorer = frames_colorer({2: first, 4: second})
    shades = [float(colorer.color(frame(n), LIGHTNESS)[0, 1].mean()) for n in (0, 1, 3, 5, 9)]
    means = [float(first.rgb.mean())] * 3 + [float(second.rgb.mean())] * 2
    assert shades == pytest.approx(means, abs=1e-5)
    own = rgb_to_lab(torch.from_numpy(first.rgb).permute(2, 0, 1)[None])[:, 1:]
    assert torch.allclose(colorer.color(frame(2), LIGHTNESS), own, atol=1e-3)
    assert colorer.is_key(frame(2), LIGHTNESS)
    assert not colorer.is_key(frame(3), LIGHTNESS)


def test_frame_colorer_uses_the_previous_frame_within_a_shot() -> None:
    colorer = frames_colorer({}, Exemplar(torch.zeros(1, 3, 32, 48)))
    assert [float(colorer.color(frame(n), LIGHTNESS)[0, 0].mean()) for n in range(3)] == pytest.approx(
        [1, 1.5, 1.75]
    )
    colorer.start_shot()
    assert float(colorer.color(frame(3), LIGHTNESS)[0, 0].mean()) == 1


def test_is_key_tolerates_two_percent_aspect_ratio_difference() -> None:
    for width, is_key in ((305, True), (292, False)):
        image = RasterImage(np.full((200, width, 3), (200, 100, 50), np.uint8))
        colorer = frames_colorer({0: image})
        assert colorer.is_key(frame(0), torch.zeros(1, 1, 32, 48)) == is_key
        assert ("another aspect ratio" in "".join(colorer.notes)) != is_key


def test_key_frame_provides_the_colors_of_the_part_inside_the_border() -> None:
    rgb = np.full((64, 96, 3), 128, np.uint8)
    rgb[16:48, 24:36] = (200, 60, 40)  # left part inside the border
    rgb[16:48, 36:72] = (40, 60, 200)
    colorer = frames_colorer({0: RasterImage(rgb)})
    half_size_border = Rectangle(12, 8, 24, 16)  # the frames have half the size of the key image
    colorer.start_shot((half_size_border, (48, 32)))
    ab = colorer.color(frame(0), torch.full((1, 1, 16, 24), 50.0))[0]
    assert colorer.notes == {}
    assert ab[0, :, 1].min() > 40  # red
    assert ab[1, :, 10:].max() < -40  # blue


def test_hidden_colors_of_key_images_have_no_effect() -> None:
    alpha = np.zeros((32, 48), np.uint8)
    alpha[8:24, 10:40] = 255
    results = []
    for hidden in (0.0, 1.0):
        levels = np.where(alpha[..., None] > 0, colored(1).levels, np.float32(hidden))
        colorer = frames_colorer({0: RasterImage(levels, alpha)})
        results.append([colorer.color(frame(number), LIGHTNESS) for number in (0, 1)])
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])

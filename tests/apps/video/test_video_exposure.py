"""Exposure stabilization: flicker does not change the colors, and the lightness is unchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.apps.video.encoding import choose_codec
from colorzoo.apps.video.exposure import ExposureHold, exposed
from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.parts import PartsFolder
from colorzoo.apps.video.run import color_shots
from tiny_video import StubColorer, lightness_planes, scene, write_video


def brightness_change(frames: list[Tensor]) -> float:
    means = np.array([float(frame.mean()) for frame in frames])
    return float(np.abs(np.diff(means)).mean())


def test_exposure_hold_factor_is_the_median_over_usable_pixels() -> None:
    """The factor multiplies L* + 16; 6 % of a change is accepted per frame, and all of a large change."""
    size = (96, 128)
    exposure, previous = ExposureHold(), torch.zeros(0)
    generator = torch.Generator().manual_seed(0)
    for lighter in (0, 8, -12, -10, 45, -45, 0, 200, 0):
        frame = (torch.randint(0, 101, (1, 1, *size), generator=generator).float() + lighter).clamp(0, 100)
        small = F.avg_pool2d(frame, 2)  # the shorter side has 48 pixels
        factor = 1.0
        if len(previous):
            usable = (torch.minimum(small, previous) > 4) & (torch.maximum(small, previous) < 96)
            ratio = ((previous + 16) / (small + 16))[usable].double().numpy()
            if usable.sum() >= small.numel() / 20:
                change = abs(np.log(np.median(ratio)))
                held = np.interp(change, [np.log(1.25), np.log(1.5)], [1, 0])
                factor = float(np.median(ratio) ** ((1 - 0.06) * held))
        assert exposure.factor(frame) == pytest.approx(factor, rel=1e-5)
        previous = exposed(small, factor)
        torch.testing.assert_close(previous, ((small + 16) * factor - 16).clamp(0, 100))


def test_color_shots_stabilizes_model_inputs_and_keeps_lightness(tmp_path) -> None:
    generator = np.random.default_rng(0)
    images = [scene(n).astype(float) * (1 + 0.12 * generator.uniform(-1, 1)) for n in range(12)]
    source = write_video(
        tmp_path / "in.mkv", [each.clip(16, 235).astype(np.uint8) for each in images], codec="ffv1"
    )
    inputs: list[Tensor] = []

    class Recorder(StubColorer):
        def color(self, frame: object, lightness: Tensor) -> Tensor:
            inputs.append(lightness)
            return super().color(frame, lightness)

    out = tmp_path / "out.mkv"
    video = VideoFile(source, choose_codec(out, "ffv1"))
    color_shots(video, Recorder(), PartsFolder(out, "test"), steady=0)
    assert brightness_change(inputs) < 0.8
    for before, after in zip(lightness_planes(source), lightness_planes(out), strict=True):
        assert np.abs(before.astype(int) - after).max() <= 1

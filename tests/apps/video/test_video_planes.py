"""Conversion between Y'CbCr planes, RGB and lightness."""

from collections.abc import Iterator

import av
import numpy as np
import pytest
import torch

from colorzoo.apps.video.container import frame_to_rgb
from colorzoo.apps.video.planes import Layout, colored_planes, from_rgb, layout_of, lightness_of, read_luma
from colorzoo.color import lab_to_rgb_in_gamut
from colorzoo.inference.full_size import FullLightness

RAMP = np.tile(np.arange(256, dtype=np.uint8), (32, 1))
LAYOUTS = [
    Layout(across, down, bits, full, matrix)
    for across, down in ((1, 1), (2, 2))
    for bits, full, matrix in ((8, False, 1), (10, True, 6), (10, False, 9))
]


def test_from_rgb_matches_the_standards_for_red() -> None:
    red = np.zeros((2, 2, 3), np.float32)
    red[..., 0] = 1
    for layout, wanted in (
        (Layout(1, 1, 8, False, 1), [63, 102, 240]),  # BT.709
        (Layout(1, 1, 8, True, 6), [76, 85, 255]),  # JPEG
        (Layout(1, 1, 10, False, 9), [294, 387, 960]),
    ):
        assert [int(plane[0, 0]) for plane in from_rgb(red, layout)] == wanted


def formats() -> Iterator[tuple[str, av.VideoFrame]]:
    """Yield a gray ramp in all pixel formats that FFmpeg writes, untagged, limited and full range."""
    base = av.VideoFrame.from_ndarray(np.dstack([RAMP] * 3), format="rgb24")
    for name in sorted(av.video.format.names):
        for tag in (0, 1, 2):
            gray = len(av.VideoFormat(name).components) < 3
            full = tag == 2 or (tag == 0 and (gray or name.startswith("yuvj")))
            try:
                frame = base.reformat(
                    format=name, src_color_range=2, dst_color_range=2 if full else 1, dst_colorspace=1
                )
            except av.FFmpegError:  # FFmpeg cannot write this format
                continue
            frame.color_range = tag
            if not (gray and tag == 1):  # FFmpeg always writes gray in full range
                yield f"{name} {tag}", frame


def test_read_luma_preserves_a_ramp_in_every_pixel_format() -> None:
    tested = 0
    wanted = FullLightness(RAMP).whole()[0, 0]
    for name, frame in formats():
        try:
            luma, layout = read_luma(frame), layout_of(frame)
        except av.FFmpegError:
            assert name[:4] in ("rgb4", "bgr4")  # packed into half a byte; FFmpeg does not read it
            continue
        lightness = lightness_of(luma, layout)[0, 0]
        depth = min(part.bits for part in frame.format.components[:3])
        if frame.format.is_rgb and depth < 8:  # few levels
            error = np.abs(frame_to_rgb(frame).astype(int) - RAMP[..., None]).max()
            assert error < 384 / (2**depth - 1), name  # includes dithering
        elif depth > 1:
            black, span = layout.luma_scale
            levels = (luma - black) / span * 255
            assert np.abs(levels - RAMP).max() < 2, name
            assert (lightness - wanted).abs().max() < 1, name
            tested += 1
    assert tested > 500


def test_read_luma_applies_palettes() -> None:
    frame = av.VideoFrame(256, 32, "pal8")
    np.frombuffer(frame.planes[0], np.uint8).reshape(32, -1)[:, :256] = RAMP
    np.frombuffer(frame.planes[1], np.uint8)[:1024] = np.arange(255, -1, -1).repeat(4)
    for tag in (0, 1, 2):
        frame.color_range = tag
        levels = (read_luma(frame).astype(float) - 16) / 219 * 255
        assert np.abs(levels - 255 + RAMP).max() < 1


def test_lightness_of_gray_frames_follows_the_range_tag() -> None:
    frame = av.VideoFrame.from_ndarray(np.uint8([[16, 126, 235, 255]] * 4), format="gray")
    for tag, wanted in ((0, (5.3, 53, 93, 100)), (1, (0, 54, 100, 100)), (2, (5.3, 53, 93, 100))):
        frame.color_range = tag
        found = lightness_of(read_luma(frame), layout_of(frame))[0, 0, 0]
        assert found.tolist() == pytest.approx(wanted, abs=1)


def test_frame_to_rgb_decodes_untagged_hd_frames_as_bt709() -> None:
    color = np.full((720, 64, 3), (200, 60, 30), np.uint8)
    frame = av.VideoFrame.from_ndarray(color, format="rgb24")
    frame = frame.reformat(format="yuv444p", dst_colorspace=1, dst_color_range=1)
    frame.color_range, frame.colorspace = 0, 2
    assert np.abs(frame_to_rgb(frame).astype(int) - color).max() <= 1


@pytest.mark.parametrize(("full", "bits"), [(False, 8), (True, 10)])
def test_lightness_of_matches_the_cie_formula(full: bool, bits: int) -> None:
    layout = Layout(2, 2, bits, full, 1)
    values = np.arange(2**bits).reshape(-1, 64).astype(np.uint8 if bits == 8 else np.uint16)
    black, span = layout.luma_scale
    gray = np.clip((values - black) / span, 0, 1)
    linear = np.where(gray <= 0.04045, gray / 12.92, ((gray + 0.055) / 1.055) ** 2.4)
    lightness = np.where(linear > 0.008856, 116 * np.cbrt(linear) - 16, 903.3 * linear)
    assert torch.from_numpy(lightness).sub(lightness_of(values, layout)[0, 0]).abs().max() < 0.01


def test_from_rgb_centers_chroma_at_the_left_pixel() -> None:
    rgb = np.full((2, 8, 3), 0.5, np.float32)
    rgb[:, 4] = (0.5, 0.5, 1.0)  # the left column of a pair
    blue = from_rgb(rgb, Layout(2, 2, 8, True, 1))[1][0]
    assert blue[2] > blue[1] == blue[3] == 128
    rgb[:, 4] = 0.5
    rgb[:, 3] = (0.5, 0.5, 1.0)  # between two samples
    blue = from_rgb(rgb, Layout(2, 2, 8, True, 1))[1][0]
    assert blue[1] == blue[2] > 128


def test_layout_of_selects_the_matrix_by_tag_and_height() -> None:
    for tag, height, matrix in ((2, 719, 6), (2, 720, 1), (9, 480, 9), (1, 480, 1), (8, 480, 6)):
        frame = av.VideoFrame(64, height, "yuv420p")
        frame.colorspace = tag
        assert layout_of(frame).matrix == matrix


@pytest.mark.parametrize("layout", [LAYOUTS[0], LAYOUTS[-1]], ids=str)
def test_colored_planes_match_from_rgb_and_keep_gray(layout: Layout) -> None:
    black, span = layout.luma_scale
    kind = np.uint8 if layout.bits == 8 else np.uint16
    luma = np.linspace(black, black + span, 24).round().astype(kind)[:, None].repeat(32, axis=1)
    gray, *neutral = colored_planes(luma, np.zeros((2, 24, 32), np.float32), layout)
    assert np.array_equal(gray, luma)
    assert all((plane == layout.chroma_scale[0]).all() for plane in neutral)
    lightness = lightness_of(luma, layout)
    for a, b in ((13, -9), (-35, 50), (70, 60), (20, -80)):
        ab = np.broadcast_to(np.float32([[[a]], [[b]]]), (2, 24, 32)).copy()
        lab = torch.cat([lightness, torch.from_numpy(ab)[None]], dim=1)
        wanted = from_rgb(lab_to_rgb_in_gamut(lab)[0].permute(1, 2, 0).numpy(), layout)
        found = colored_planes(luma, ab, layout)
        levels = [
            np.abs(w.astype(float) - f) / 2 ** (layout.bits - 8) for w, f in zip(wanted, found, strict=True)
        ]
        # 4:2:0 averages rows before colors are added, here over steps of ten gray levels
        assert [float(each.mean()) for each in levels] == pytest.approx([0, 0, 0], abs=1.5)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
def test_colored_planes_have_the_chroma_of_from_rgb(full: bool, bits: int) -> None:
    layout = Layout(1, 1, bits, full, 1)
    black, span = layout.luma_scale
    # two thirds of the range and ab at multiples of 8 are entries of the table
    b, a = np.meshgrid(np.arange(-40, 41, 8), np.arange(-40, 41, 8))
    ab = np.stack([a, b]).astype(np.float32)
    luma = np.full(a.shape, round(black + span * 2 / 3), np.uint8 if bits == 8 else np.uint16)
    lab = torch.cat([lightness_of(luma, layout), torch.from_numpy(ab)[None]], dim=1)
    wanted = from_rgb(lab_to_rgb_in_gamut(lab)[0].permute(1, 2, 0).numpy(), layout)
    found = colored_planes(luma, ab, layout)
    gray = layout.chroma_scale[0]
    for wanted_plane, found_plane in zip(wanted[1:], found[1:], strict=True):
        strength = np.abs(found_plane - gray).sum() / np.abs(wanted_plane - gray).sum()
        assert strength == pytest.approx(1, abs=0.0005)

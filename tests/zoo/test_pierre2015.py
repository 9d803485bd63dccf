"""Pierre et al. 2015: gradient operators, patch descriptors, candidates, color choice, and gamut."""

from itertools import product

import numpy as np
import torch
from skimage.restoration import denoise_tv_chambolle

import colorzoo
from colorzoo import Exemplar, Guidance
from colorzoo.color import rgb_to_lab
from colorzoo.testing import sample_image
from colorzoo.zoo.pierre2015.model import (
    candidates,
    choose,
    divergence,
    gradient,
    into_gamut,
    patch_descriptors,
    rgb_to_yuv,
    yuv_to_rgb,
)
from zoo.exemplar_regions import regions


def test_divergence_is_the_negative_adjoint_of_the_gradient() -> None:
    maps, field = torch.randn(3, 7, 9).double(), torch.randn(2, 3, 7, 9).double()
    inner = (gradient(maps) * field).sum(), (maps * divergence(field)).sum()
    torch.testing.assert_close(inner[0], -inner[1])
    assert not gradient(maps)[0, :, -1].any()


def test_description_distances_equal_histogram_and_spectrum_distances() -> None:
    levels = torch.randint(0, 256, (1, 1, 24, 30)).float()
    *_, ours = patch_descriptors(levels, 1)  # windows of 11
    counts = []
    for row, column in ((5, 5), (12, 20)):
        window = levels[0, 0, row - 5 : row + 6, column - 5 : column + 6].numpy()
        counts.append(np.histogram(window, bins=np.arange(257))[0].cumsum() / 121)
    distance = (ours[5 * 30 + 5] - ours[12 * 30 + 20]).abs().sum()
    np.testing.assert_allclose(distance, np.abs(counts[0] - counts[1]).sum(), rtol=1e-4)
    amplitudes = list(patch_descriptors(levels, 1))[2]  # windows of 7
    whole = [
        np.abs(np.fft.fft2(levels[0, 0, row - 3 : row + 4, column - 3 : column + 4].numpy()))
        for row, column in ((9, 9), (14, 22))
    ]
    found = (amplitudes[9 * 30 + 9] - amplitudes[14 * 30 + 22]).abs().sum()
    np.testing.assert_allclose(found, np.abs(whole[0] - whole[1]).sum(), rtol=1e-4)


def test_candidates_of_grid_pixels_are_their_own_colors() -> None:
    yuv = rgb_to_yuv(sample_image((48, 64), seed=4))
    found = candidates(yuv[:, :1], yuv, step=6)
    own = yuv[0, 1:, 3::6, 3::6]
    for index in range(2, 8):  # the deviation alone may match other pixels
        torch.testing.assert_close(found[index, :, 3::6, 3::6], own)


def test_choose_with_one_uncoupled_candidate_equals_tv_denoising() -> None:
    torch.manual_seed(0)
    plane = torch.zeros(32, 32)
    plane[8:24, 8:24] = 60.0
    noisy = plane + 8 * torch.randn(32, 32)
    colors = torch.stack([noisy, torch.zeros(32, 32)])[None]
    found = choose(torch.zeros(1, 32, 32), colors, fidelity=0.1, coupling=0.0, iterations=3000, tau=20.0)[0]
    wanted = denoise_tv_chambolle(noisy.numpy(), weight=10.0, eps=1e-9, max_num_iter=3000)
    assert np.abs(found.numpy() - wanted).mean() < 0.3
    assert np.abs(found.numpy() - noisy.numpy()).mean() > 3


def test_choose_iterations_equal_the_algorithm_of_the_paper() -> None:
    """The step sizes are 0.005, 5 and 1000; U and V stay in their ranges."""
    torch.manual_seed(1)
    height, width = 5, 6
    luminance, colors = (
        255 * torch.rand(1, height, width).double(),
        200 * torch.randn(3, 2, height, width).double(),
    )
    places = list(product(range(height), range(width)))
    found = ahead = colors.mean(dim=0)
    share, dual = torch.full((3, height, width), 1 / 3).double(), torch.zeros(2, 3, height, width).double()
    for _ in range(12):
        maps = torch.cat([ahead, 3 * luminance])
        for y, x in places:
            down = maps[:, min(y + 1, height - 1), x] - maps[:, y, x]
            right = maps[:, y, min(x + 1, width - 1)] - maps[:, y, x]
            moved = dual[:, :, y, x] + 0.005 * torch.stack([down, right])
            dual[:, :, y, x] = moved / max(1.0, float(moved.norm()))
        before, found = found, found.clone()
        for y, x in places:
            score = share[:, y, x] - 1000 * 0.007 * (ahead[:, y, x] - colors[:, :, y, x]).square().sum(dim=1)
            share[:, y, x] = torch.nn.functional.one_hot(score.argmax(), 3)
            flow = dual[0, :2, y, x] * (y < height - 1) + dual[1, :2, y, x] * (x < width - 1)
            flow = flow - (dual[0, :2, y - 1, x] if y else 0) - (dual[1, :2, y, x - 1] if x else 0)
            goal = flow + 0.007 * colors[score.argmax(), :, y, x]
            found[:, y, x] = (before[:, y, x] + 5 * goal) / (1 + 5 * 0.007)
        most = torch.tensor([111.18, 156.825]).double().view(2, 1, 1)
        found = found.clamp(-most, most)
        ahead = 2 * found - before
    assert ((found.abs() == most).sum(dim=(1, 2)) > 0).all()  # some pixels lie on the border of each range
    answer = choose(luminance, colors, fidelity=0.007, coupling=9.0, iterations=12)
    torch.testing.assert_close(answer, found)


def test_into_gamut_keeps_luminance_and_reduces_chroma() -> None:
    yuv = torch.stack([255 * torch.rand(9, 9), 200 * torch.randn(9, 9), 200 * torch.randn(9, 9)])[None]
    found = into_gamut(yuv)
    rgb = yuv_to_rgb(found)
    assert -1e-4 <= float(rgb.min()) <= float(rgb.max()) <= 1 + 1e-4
    torch.testing.assert_close(rgb_to_yuv(rgb)[:, :1], yuv[:, :1], rtol=0, atol=0.01)
    share = found[:, 1:] / yuv[:, 1:]
    torch.testing.assert_close(share[:, 0], share[:, 1], rtol=1e-3, atol=1e-4)
    inside = rgb_to_yuv(0.2 + 0.6 * torch.rand(1, 3, 5, 5))
    torch.testing.assert_close(into_gamut(inside), inside, rtol=1e-4, atol=1e-3)


def test_pierre2015_recovers_the_colors_of_the_reference_image() -> None:
    rgb = regions((64, 80))
    lab = rgb_to_lab(rgb)
    model = colorzoo.create_model("pierre2015", step=4)
    ab = model(lab[:, :1], Guidance(exemplar=Exemplar(rgb))).ab
    assert (ab - lab[:, 1:]).norm(dim=1).mean() < 0.1 * lab[:, 1:].norm(dim=1).mean()

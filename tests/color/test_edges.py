"""Sobel and Canny edges."""

import torch

from colorzoo.color.edges import canny, sobel, sobel_gradients
from colorzoo.testing import sample_image

IMAGE = sample_image((24, 31), batch=2)
GRAY = IMAGE.mean(dim=1, keepdim=True)


def test_sobel_and_canny_return_no_edges_for_flat_image() -> None:
    for edges in (sobel, canny):
        assert edges(torch.full((1, 1, 9, 12), 0.4)).max() < 1e-7


def test_sobel_is_mirror_symmetric() -> None:
    dims = (-1, -2)
    torch.testing.assert_close(sobel(IMAGE.flip(dims)), sobel(IMAGE).flip(dims), atol=1e-5, rtol=1e-4)


def test_canny_detects_a_square_and_is_mirror_symmetric() -> None:
    square = torch.zeros(1, 1, 32, 32)
    square[..., 8:24, 10:22] = 1.0
    edges = canny(square)
    assert set(edges.unique().tolist()) == {0.0, 1.0}
    assert not edges[..., 12:20, 14:18].any()
    assert edges[..., 16, :].sum() >= 2
    flipped = canny(square.flip(-1)).flip(-1)
    assert (flipped != edges).float().mean() < 0.02  # ties between two equal pixels may go either way


def test_sobel_gradients_equal_slopes_of_a_ramp() -> None:
    ramp = (torch.arange(12.0) / 10 - 0.3 * torch.arange(8.0)[:, None])[None, None]
    inner = sobel_gradients(ramp)[0, 0, :, 1:-1, 1:-1]
    torch.testing.assert_close(inner, torch.tensor([0.1, -0.3]).view(2, 1, 1).expand_as(inner))
    inner = sobel(ramp)[..., 1:-1, 1:-1]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.1**0.5))


def test_sobel_and_canny_ignore_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        mixed = sobel(IMAGE), canny(GRAY)
    assert torch.equal(mixed[0], sobel(IMAGE))
    assert torch.equal(mixed[1], canny(GRAY))

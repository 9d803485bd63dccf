"""XDoG against the public implementation, and on odd sizes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from colorzoo.color import rgb_to_gray, xdog

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "xdog.npz", allow_pickle=False)
NAMES = {0.3: "s03", 0.4: "s04", 0.5: "s05"}


@pytest.mark.parametrize(("weighted", "prefix"), [(True, "out_sketch"), (False, "out_plain")])
def test_all_widths_in_one_batch_equal_the_public_implementation(weighted: bool, prefix: str) -> None:
    gray = torch.from_numpy(GOLDEN["out_gray"])[None, None].expand(3, -1, -1, -1) / 255
    sketch = xdog(gray, tuple(NAMES), weighted=weighted)
    for index, name in enumerate(NAMES.values()):
        expected = torch.from_numpy(GOLDEN[f"{prefix}_{name}"])
        assert expected.float().mean() > 1  # both paper and ink are there
        assert ((sketch[index, 0] * 255).round() != expected).float().mean() <= 0.002


def test_gray_is_the_video_luma() -> None:
    rgb = torch.from_numpy(GOLDEN["in_rgb"]).permute(2, 0, 1)[None] / 255
    assert ((rgb_to_gray(rgb)[0, 0] * 255) - torch.from_numpy(GOLDEN["out_gray"])).abs().max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 64)])
def test_pictures_smaller_than_the_blur_work(size: tuple[int, int]) -> None:
    sketch = xdog(torch.full((2, 1, *size), 0.5), (0.3, 0.5))
    assert sketch.shape == (2, 1, *size)
    assert (sketch == 1).all()  # a flat gray is paper


def test_lower_precision_outside_does_not_change_the_lines() -> None:
    gray = torch.from_numpy(GOLDEN["out_gray"])[None, None] / 255
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = xdog(gray)
    assert torch.equal(inside, xdog(gray))

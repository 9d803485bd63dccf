"""An image whose colors depend on its lightness, as exemplar methods without training assume."""

import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb

_TONES = torch.tensor([[[30, 20, 25], [50, -25, 20]], [[65, 10, -30], [80, -15, -5]]]).float()


def regions(size: tuple[int, int]) -> Tensor:
    """Return RGB ``(1, 3, *size)``, even sides: four quarters of one Lab color each, with noise in L."""
    height, width = size
    lab = _TONES.permute(2, 0, 1).repeat_interleave(height // 2, 1).repeat_interleave(width // 2, 2)[None]
    noise = torch.randn(1, 1, *size, generator=torch.Generator().manual_seed(0))
    return lab_to_rgb(torch.cat([lab[:, :1] + 2 * noise, lab[:, 1:]], dim=1))

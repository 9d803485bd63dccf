"""Training augmentation: random windows, resizing, mirroring, and chroma weights."""

import io
import math

import numpy as np
import pytest
import torch
from harness import small_data, small_trainer
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from colorzoo.data.augment import Window, cut_boxes, cut_windows, random_windows
from colorzoo.data.decode import decode_rgb
from colorzoo.losses import weighted_by_chroma

COUNT = 3000


def drawn(kind, **options):
    """Return windows in images of 100 pixels."""
    return random_windows(COUNT, torch.Generator().manual_seed(3), 100, 40, kind=kind, **options)


def test_crop_windows_have_the_crop_size_at_all_positions():
    windows = drawn("crop", min_scale=1.0)
    assert {(each.width, each.height) for each in windows} == {(40, 40)}
    assert {each.left for each in windows} == {each.top for each in windows} == set(range(61))
    assert sum(each.mirrored for each in windows) / COUNT == pytest.approx(0.5, abs=0.03)


def test_side_windows_are_uniform_in_their_longer_side():
    windows = drawn("side", min_scale=0.4, max_stretch=1.5)
    longest = torch.tensor([max(each.width, each.height) / 100 for each in windows])
    assert longest.quantile(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx(
        [0.4, 0.7, 1.0], abs=0.02
    )
    ratios = torch.tensor([math.log(each.width / each.height) for each in windows])
    assert ratios.abs().max() < math.log(1.5) + 0.03
    assert ratios.mean() == pytest.approx(0, abs=0.02)
    assert all(each.left + each.width <= 100 and each.top + each.height <= 100 for each in windows)


def test_area_windows_are_distributed_as_in_torchvision():
    windows = drawn("area", min_scale=0.08, max_stretch=4 / 3)
    torch.manual_seed(0)
    rows = [
        RandomResizedCrop.get_params(torch.empty(3, 100, 100), [0.08, 1], [3 / 4, 4 / 3]) for _ in windows
    ]
    theirs = torch.tensor(rows, dtype=torch.float64)  # top, left, height, width
    ours = torch.tensor([[w.top, w.left, w.height, w.width] for w in windows], dtype=torch.float64)
    levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)
    for values in (lambda x: x[:, 2] * x[:, 3] / 1e4, lambda x: (x[:, 3] / x[:, 2]).log()):
        expected, found = values(theirs).quantile(levels), values(ours).quantile(levels)
        torch.testing.assert_close(found, expected, atol=0.03, rtol=0)
    torch.testing.assert_close(ours[:, :2].mean(0), theirs[:, :2].mean(0), atol=1.0, rtol=0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_cut_windows_copies_pixels_of_windows_with_the_output_size(mirrored):
    images = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    windows = [Window(0, 0, 4, 4, mirrored), Window(5, 2, 4, 4, mirrored)]
    found = cut_windows(images, windows, 4)
    expected = torch.stack([images[0, :, :4, :4], images[1, :, 2:6, 5:]])
    assert torch.equal(found, expected.flip(-1) if mirrored else expected)


def test_cut_boxes_follow_a_mirrored_window():
    boxes = torch.tensor([[10.0, 20.0, 30.0, 40.0], [90.0, 0.0, 100.0, 5.0]])
    found = cut_boxes(boxes, Window(10, 10, 50, 50, True), 100)
    assert found.tolist() == [[60.0, 20.0, 100.0, 60.0]]


def test_training_images_are_resized_with_the_filter_of_the_decoder():
    """A fine checkerboard becomes gray; without antialiasing, it would become another pattern."""
    fine = (np.indices((96, 96)).sum(0) % 2 * 255).astype(np.uint8)
    smooth = np.linspace(0, 255, 96).astype(np.uint8)[None].repeat(96, 0)
    stream = io.BytesIO()
    Image.fromarray(np.stack([fine, smooth, smooth.T], axis=2)).save(stream, "PNG")
    data = stream.getvalue()
    whole = Window(0, 0, 96, 96, False)
    found = cut_windows(decode_rgb(data)[None].float() / 255, [whole], 40)
    assert (found[:, 0] - 0.5).abs().max() < 0.05
    torch.testing.assert_close(found, decode_rgb(data, 40)[None].float() / 255, atol=2 / 255, rtol=0)


def test_window_crop_trains_on_unresized_parts_of_the_images(images, tmp_path):
    """Each training image is an exact part of the decoded square."""
    seen = []

    data = small_data(images, window="crop", crop=16, resize=32)
    data.trainer = small_trainer(tmp_path)
    data.setup("fit")
    data.trainer.training = True
    for raw in data.train_dataloader():
        squares = raw["rgb"].float() / 255
        for square, part in zip(squares, data.on_after_batch_transfer(raw, 0)["rgb"], strict=True):
            assert part.shape == (3, 16, 16)
            pieces = square.unfold(1, 16, 1).unfold(2, 16, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
            matches = (pieces == part).flatten(1).all(1) | (pieces == part.flip(-1)).flatten(1).all(1)
            seen.append(matches.nonzero().flatten()[:1].tolist())
    assert all(seen)
    assert len({place for (place,) in seen}) > 1


def test_weighted_by_chroma_normalizes_each_image_separately():
    generator = torch.Generator().manual_seed(0)
    ab = 60 * torch.rand(2, 2, 4, 4, generator=generator)
    errors = torch.ones(2, 1, 4, 4)
    both = weighted_by_chroma(errors, ab, 1.0)
    for index in range(2):
        alone = weighted_by_chroma(errors[:1], ab[index : index + 1], 1.0)
        torch.testing.assert_close(both[index : index + 1], alone)
        chroma = ab[index].norm(dim=0).flatten()
        assert torch.equal(both[index].flatten().argsort(), chroma.argsort())  # more weight, more chroma
    assert not torch.allclose(both[0], both[1], atol=0.05)

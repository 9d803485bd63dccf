"""Class-wise matching compared with a loop over classes, and edge cases."""

import torch
from torch import Tensor

from colorzoo.networks.matching import match

ImageTable = tuple[Tensor, Tensor, Tensor]


def images(seed: int, places: tuple[int, int] = (300, 260), batch: int = 3) -> ImageTable:
    generator = torch.Generator().manual_seed(seed)
    query, key = (torch.randn(batch, count, 16, generator=generator) for count in places)
    return query, key, torch.randn(batch, places[1], 3, generator=generator)


def uneven_labels(seed: int, places: tuple[int, int] = (300, 260), batch: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(batch, 9, generator=generator) ** 4 + 1e-4
    names = torch.tensor([5, 3, 1000, -1, 2, 7, 11, 4, 0])  # arbitrary labels; -1 is no class
    drawn = [torch.multinomial(shares.roll(1, 0), count, True, generator=generator) for count in places]
    return names[drawn[0]], names[drawn[1]]


def match_by_loop(data: ImageTable, labels: tuple[Tensor, Tensor], tau: float) -> tuple[Tensor, Tensor]:
    """Match class by class and image by image, by the formula."""
    query, key, values = data
    found, best = [], []
    for index in range(len(query)):
        colors, similar = torch.zeros(query.shape[1], values.shape[2]), torch.zeros(query.shape[1])
        for name in labels[0][index].unique():
            ours, theirs = labels[0][index] == name, labels[1][index] == name
            if name < 0 or not theirs.any():
                continue
            a, b = (part - part.mean(0) for part in (query[index, ours], key[index, theirs]))
            a, b = (part / part.norm(dim=1, keepdim=True).clamp(min=1e-12) for part in (a, b))
            cosine = a @ b.T
            row = torch.where(ours)[0]
            colors = colors.index_put((row,), torch.softmax(cosine / tau, 1) @ values[index, theirs])
            similar = similar.index_put((row,), cosine.amax(1))
        found.append(colors)
        best.append(similar)
    return torch.stack(found), torch.stack(best)


def test_match_equals_a_loop_over_classes() -> None:
    for tau in [0.01, 1.0]:
        for seed in [0, 1, 2]:
            data, labels = images(seed), uneven_labels(seed)
            matched = match(*data, labels, tau=tau)
            values, similarity = match_by_loop(data, labels, tau)
            assert (matched.similarity - similarity).abs().max() < 1e-5
            assert (matched.values - values).abs().max() < 1e-4
            assert (labels[0] < 0).any()
            assert not matched.values[labels[0] < 0].any()


def test_match_with_one_class_equals_global_matching() -> None:
    data = images(4)
    zeros = (torch.zeros(3, 300, dtype=torch.int64), torch.zeros(3, 260, dtype=torch.int64))
    for ours, theirs in zip(match(*data, zeros), match(*data), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_match_of_an_image_with_itself_returns_its_values() -> None:
    query, _, _ = images(5)
    values = torch.randn(3, 300, 3)
    labels = uneven_labels(5)[0].abs()
    matched = match(query, query, values, (labels, labels), tau=1e-10)
    alone = torch.stack([torch.bincount(row, minlength=1001)[row] for row in labels]) == 1
    assert torch.equal(matched.values, values)
    assert torch.allclose(matched.similarity[~alone], torch.ones(()), atol=1e-5)
    assert not matched.similarity[alone].any()  # a single element has no direction after centering

"""Random numbers seeded for each image, and independence of the random streams."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

import colorzoo
from colorzoo.randomness import draw_normal, draw_uniform, image_generators

CPU = torch.device("cpu")


def stream_names() -> set[str]:
    """Find the stream names in calls of `colorzoo.randomness`, also calls through functions with a name."""
    functions = [
        node
        for path in Path(colorzoo.__path__[0]).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and path.name != "randomness.py"
    ]
    names: set[str] = set()
    drawing, count = {"stream_seed", "image_generators"}, 0
    while count < len(drawing):  # until no function passes its parameter to a drawing function
        count = len(drawing)
        for function in functions:
            values = [
                value
                for call in ast.walk(function)
                if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] in drawing
                for value in [*call.args, *(keyword.value for keyword in call.keywords)]
            ]
            texts = {each.arg for each in function.args.args if ast.unparse(each.annotation or each) == "str"}
            if texts & {value.id for value in values if isinstance(value, ast.Name)}:
                drawing.add(function.name)
                values += function.args.defaults
            constants = [value.value for value in values if isinstance(value, ast.Constant)]
            names |= {each for each in constants if isinstance(each, str)}
    return names


def test_streams_of_all_names_in_the_package_are_uncorrelated() -> None:
    names = sorted(stream_names())
    assert {"points", "queries", "second", "white balance", "position"} <= set(names)
    seeds = torch.arange(10_000)
    draws = [draw_uniform(image_generators(seeds, name), len(seeds), 1, CPU)[:, 0] for name in names]
    correlations = torch.corrcoef(torch.stack([*draws, seeds / len(seeds)]).double()).fill_diagonal_(0)
    strongest = float(correlations.abs().max())
    assert strongest < 0.05


def test_image_generators_use_all_bits_of_the_seed() -> None:
    seeds = [0, 1, 2**31, 2**32, 2**33, 2**61, 2**62 - 1]
    found = draw_uniform(image_generators(torch.tensor(seeds), "points"), len(seeds), 2, CPU)
    assert len(set(map(tuple, found.tolist()))) == len(seeds)
    assert found.equal(draw_uniform(image_generators(torch.tensor(seeds), "points"), len(seeds), 2, CPU))


@pytest.mark.parametrize("draw", [lambda *a: draw_uniform(*a, 3, CPU), lambda *a: draw_normal(*a, (3,), CPU)])
def test_draws_depend_only_on_the_image_seed(draw) -> None:
    seeds = torch.tensor([3, 2**62 - 5])
    both = draw(image_generators(seeds, "flip"), 2)
    alone = [draw(image_generators(seed[None], "flip"), 1) for seed in seeds]
    assert torch.equal(both, torch.cat(alone))
    with pytest.raises(ValueError, match="generators"):
        draw(image_generators(seeds, "flip"), 3)

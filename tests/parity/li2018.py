"""Li et al. 2018 step by step against the authors' code; networks in the precision that a file names."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo.networks.style import usable_labels
from colorzoo.zoo.li2018.model import (
    AFFINITY_EPSILON,
    BETA,
    FILTER_EDGE,
    FILTER_RADIUS,
    GUIDED_EPSILON,
    GUIDED_RADIUS,
    PhotoWCT,
    affine_models,
    affinities,
    apply_models,
    averaged_models,
    convert_published,
    recolor,
)
from parity.cases import Golden, case
from parity.pipelines.li2018 import (
    Published,
    closed_form_value,
    guided_filter,
    merge_labels,
    merge_small,
    rebuild,
    squeezed_guide,
    stylize_as_published,
    to_levels,
    to_planes,
)


def network_of(golden: Golden) -> PhotoWCT:
    """Return the network with the pseudo weights; a file may contain some levels only."""
    state = golden.weights()
    ours = convert_published(state)
    (channels,) = {len(value) for key, value in state.items() if key.endswith(".conv1_2.weight")} or {64}
    network = PhotoWCT(channels / 64).eval()
    network.load_state_dict({key.removeprefix("network."): value for key, value in ours.items()})
    return network.to(getattr(torch, golden.meta["dtype"]))


def read_image(golden: Golden, name: str) -> Tensor:
    kind = getattr(torch, golden.meta["dtype"])
    return golden.tensor(name).permute(2, 0, 1)[None].to(kind) / 255


def labels_of(golden: Golden) -> tuple[Tensor, Tensor]:
    return golden.tensor("in_content_seg"), golden.tensor("in_style_seg")


@case("li2018_autoencoder")
@torch.inference_mode()
def li2018_autoencoder(golden: Golden) -> None:
    network, image = network_of(golden), read_image(golden, "in_image")
    encoded = network.encoders[-1](image)
    for level, hook in enumerate(encoded.hooks, start=1):
        golden.close_sampled(f"out_relu{level}_1", hook[:, :: golden.meta["every_channel"]])
    for number, pooled in enumerate(encoded.pools, start=1):
        name = f"out_pool{number}_index"
        channels, rows, columns = golden.arrays[name].shape  # the first rows and columns of some channels
        every = pooled.positions.shape[1] // channels
        golden.close(name, pooled.positions[0, ::every, :rows, :columns])
    for level in range(1, 5):
        golden.close(f"out_decoded{level}", rebuild(network, image, level)[0])


@case("li2018_wct")
@torch.inference_mode()
def li2018_wct(golden: Golden) -> None:
    content, style = golden.tensor("in_content")[None], golden.tensor("in_style")[None]
    golden.close("out_wct", recolor(content, style)[0])
    flat = golden.tensor("in_content_flat")[None], golden.tensor("in_style_flat")[None]
    golden.close("out_wct_flat", recolor(*flat)[0])
    ours, theirs = labels_of(golden)
    valid = [
        int(label in usable_labels(ours, theirs)) for label in range(len(golden.arrays["out_label_valid"]))
    ]
    assert valid == golden.arrays["out_label_valid"].tolist()
    golden.close("out_wct_seg", recolor(content, style, ([ours], [theirs]))[0])


@case("li2018_transform")
@torch.inference_mode()
def li2018_transform(golden: Golden) -> None:
    network = network_of(golden)
    images = read_image(golden, "in_content"), read_image(golden, "in_style")
    ours, theirs = labels_of(golden)
    for suffix, labels in (("", None), ("_seg", ([ours], [theirs]))):
        for level, found in zip((4, 3, 2, 1), network(*images, labels), strict=True):
            golden.close(f"out_image{level}{suffix}", found[0])


@case("li2018_smooth")
def li2018_smooth(golden: Golden) -> None:
    stylized, content, meta = golden.arrays["in_stylized"], golden.arrays["in_content"], golden.meta
    guide = squeezed_guide(content)
    golden.close("out_guide", torch.from_numpy(guide))
    assert (meta["beta"], meta["eps"]) == (BETA, AFFINITY_EPSILON)
    weights = affinities(guide / 255)
    height, width = guide.shape[:2]
    golden.close("out_degree", torch.from_numpy(weights.sum(axis=0)).view(height, width))
    rows = []
    # the file contains row 10, columns from 6
    for column in range(6, 6 + len(golden.arrays["out_weights"])):
        row = weights[[10 * width + column]].toarray().reshape(height, width)
        rows.append(row[8:13, column - 2 : column + 3])
    golden.close("out_weights", torch.from_numpy(np.stack(rows)))
    value = closed_form_value(stylized, content, beta=meta["beta"], epsilon=meta["eps"])
    golden.close("out_value", torch.from_numpy(value))
    golden.close("out_u8", torch.from_numpy(to_levels(torch.from_numpy(value).permute(2, 0, 1))))


@case("li2018_guided")
def li2018_guided(golden: Golden) -> None:
    images = golden.arrays["in_stylized"], golden.arrays["in_content"]
    published = golden.meta["published"]
    assert (published["radius"], published["eps"]) == (GUIDED_RADIUS, GUIDED_EPSILON)
    for name in ("published", "small"):
        options = golden.meta[name]
        found = guided_filter(*images, radius=options["radius"], epsilon=options["eps"])
        golden.close(f"out_u8_{name}", torch.from_numpy(found))


@case("li2018_postfilter")
def li2018_postfilter(golden: Golden) -> None:
    stylized, content = to_planes(golden.arrays["in_stylized"]), to_planes(golden.arrays["in_content"])
    models, every = affine_models(stylized, content), golden.meta["every"]
    published = golden.meta["published"]
    assert (published["f_radius"], published["f_edge"]) == (FILTER_RADIUS, FILTER_EDGE)
    golden.close("out_affine", models.permute(2, 3, 0, 1)[::every, ::every])
    for name in ("published", "small"):
        options = golden.meta[name]
        mean = averaged_models(models, content, radius=options["f_radius"], edge=options["f_edge"])
        golden.close(f"out_affine_{name}", mean.permute(2, 3, 0, 1)[::every, ::every])
        value = apply_models(mean, content)
        golden.close(f"out_value_{name}", value.permute(1, 2, 0))
        golden.close(f"out_u8_{name}", torch.from_numpy(to_levels(value)))


@case("li2018_remap")
def li2018_remap(golden: Golden) -> None:
    content, style, ranking = (
        golden.arrays[f"in_{name}"] for name in ("content_seg", "style_seg", "ranking")
    )
    least = golden.meta["min_ratio"]
    for name, labels in (("content", content), ("style", style)):
        golden.close(f"out_{name}_self", torch.from_numpy(merge_small(labels, ranking, least)))
    for name, labels in zip(("content", "style"), merge_labels(content, style, ranking, least), strict=True):
        golden.close(f"out_{name}_final", torch.from_numpy(labels))


@case("li2018_pipeline")
def li2018_pipeline(golden: Golden) -> None:
    network = network_of(golden)
    images = golden.arrays["in_content"], golden.arrays["in_style"]
    nearest = Image.Resampling.NEAREST
    plain = stylize_as_published(network, *images, resample=nearest)
    check_program(golden, plain, "_slow")
    check_program(
        golden, stylize_as_published(network, *images, labels_of(golden), resample=nearest), "_slow_seg"
    )
    bicubic = stylize_as_published(network, *images)
    golden.close("out_final_slow_bicubic", torch.from_numpy(bicubic.final))
    check_program(golden, stylize_as_published(network, *images, fast=True), "_fast")


def check_program(golden: Golden, found: Published, suffix: str) -> None:
    names = {"wct": found.transformed, "smoothed": found.smoothed, "final": found.final}
    present = {name: value for name, value in names.items() if f"out_{name}{suffix}" in golden.arrays}
    assert {"smoothed", "final"} <= present.keys()
    for name, value in present.items():
        golden.close(f"out_{name}{suffix}", torch.from_numpy(value))

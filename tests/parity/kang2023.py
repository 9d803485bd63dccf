"""DDColor against the authors' code: encoder, both decoders, whole networks, discriminator, losses, pipeline."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colorzoo.zoo.kang2023.color_decoder import positions
from colorzoo.zoo.kang2023.encoder import ConvNextEncoder
from colorzoo.zoo.kang2023.network import DDColorNetwork
from colorzoo.zoo.kang2023.published import convert_published
from parity.cases import Golden, case
from pseudo_spectral import with_power_iterations
from pseudo_weights import pseudo_state_dict

WIDTHS = (512, 512, 256)


def published_weights(golden: Golden, part: str | None = None) -> dict[str, Tensor]:
    """Return the weights of a file under the authors' names; ``part`` names one of several networks."""
    meta = golden.meta
    shapes, seed, scales = (meta[key] if part is None else meta[key][part] for key in ("shapes", "seed", "scales"))
    arrays = with_power_iterations(pseudo_state_dict(shapes, seed, scales), meta["power_iterations"])
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


def build(golden: Golden) -> DDColorNetwork:
    """Return the network that a file speaks of, empty."""
    config = golden.meta["config"]
    queries, layers = config.get("num_queries", 100), config.get("dec_layers", 9)
    with torch.device("meta"):
        encoder = ConvNextEncoder(config["size"])
        return DDColorNetwork(encoder, WIDTHS, queries=queries, layers=layers, feed=2048).eval()


def fill(golden: Golden, network: nn.Module, part: str = "") -> Any:
    """Put a file's weights into a part of an empty network, strictly."""
    prefix = f"network.{part}." if part else "network."
    found = convert_published(published_weights(golden))
    ours = {key.removeprefix(prefix): value for key, value in found.items()}
    filled = network.get_submodule(part)
    filled.load_state_dict(ours, assign=True)
    for name in ("mean", "std"):
        if name in dict(filled.named_buffers(recurse=False)):
            setattr(filled, name, torch.tensor(golden.meta["fixed"][name]).view(3, 1, 1))
    return filled


def gray_input(golden: Golden) -> Tensor:
    gray = golden.tensor("in_gray").float() / 255
    return gray.view(-1, 1, *gray.shape[-2:]).expand(-1, 3, -1, -1)


def normalized(golden: Golden) -> Tensor:
    mean, std = (torch.tensor(golden.meta["fixed"][name]).view(3, 1, 1) for name in ("mean", "std"))
    return (gray_input(golden) - mean) / std


def close(golden: Golden, name: str, ours: Tensor) -> None:
    """Compare the channels that a file holds."""
    steps = golden.meta["config"].get("channel_step", {})
    golden.close(name, ours[:, :: steps.get(name, 1)])


@case("ddcolor_encoder")
@torch.inference_mode()
def encoder(golden: Golden) -> None:
    network = fill(golden, build(golden), "encoder")
    image = normalized(golden)
    for index, skip in enumerate(network(image[:, :1], image)):
        golden.close(f"out_norm{index}", skip[:, :: golden.meta["config"]["channel_step"][index]])


@case("ddcolor_pixel_decoder")
@torch.inference_mode()
def pixel_decoder(golden: Golden) -> None:
    network = fill(golden, build(golden), "pixel_decoder")
    maps = [golden.tensor(f"in_feat{index}").float() for index in range(4)]
    close(golden, "out_shuf0", network.blocks[0].shuf(maps[3]))
    found = network(maps)
    for index, each in enumerate(found):
        close(golden, f"out_up{index}", each)
    close(golden, "out_last", network.last(found[-1]))


@case("ddcolor_color_decoder")
@torch.inference_mode()
def color_decoder(golden: Golden) -> None:
    network = fill(golden, build(golden), "color_decoder")
    config = golden.meta["config"]
    maps = [golden.tensor(f"in_src{index}").float() for index in range(3)]
    for index in range(2):
        height, width = maps[index].shape[2:]
        place = positions(height, width, 256, torch.device("cpu"))
        golden.close(f"out_pos{index}", place.view(1, height, width, 256).permute(0, 3, 1, 2))
    seen: dict[str, list[Tensor]] = {"cross": [], "among": [], "feed": []}
    for layer in network.layers:
        for name, kept in seen.items():
            getattr(layer, name).register_forward_hook(lambda *call, kept=kept: kept.append(call[-1]))
    colors = network(maps)
    cut = slice(None, None, config["state_step"])
    golden.close("out_cross0", seen["cross"][0][..., cut])
    golden.close("out_self0", seen["among"][0][..., cut])
    golden.close("out_layers", torch.stack(seen["feed"], dim=1)[..., cut])
    golden.close("out_color_embed", colors[..., :: config["embed_step"]])
    golden.close("out_maps", torch.einsum("bqc,bchw->bqhw", colors, golden.tensor("in_img").float()))


@case("ddcolor_full")
@torch.inference_mode()
def full(golden: Golden) -> None:
    network = fill(golden, build(golden))
    gray = gray_input(golden)
    kept: dict[str, Any] = {}
    parts = {"skips": "encoder", "maps": "pixel_decoder", "colors": "color_decoder"}
    for name, part in parts.items():
        hook = network.get_submodule(part).register_forward_hook
        hook(lambda *call, name=name: kept.update({name: call[-1]}))
    golden.close("out_ab", network.paint(gray[:, :1], gray))
    if "out_norm3" in golden.arrays:
        close(golden, "out_norm3", kept["skips"][3])
        for index, each in enumerate(kept["maps"]):
            close(golden, f"out_up{index}", each)
    embedding = network.pixel_decoder.last(kept["maps"][-1])
    close(golden, "out_maps", torch.einsum("bqc,bchw->bqhw", kept["colors"], embedding))

"""DeOldify compared with its author's code: networks, losses, and the bit-exact pipeline."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.losses import cross_entropy_gan_loss
from colorzoo.networks import imagenet
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.networks.spectral import StoredSpectralAttention, StoredSpectralConv, WideBlock
from colorzoo.zoo.antic2019.model import (
    NAMES,
    DeepBlock,
    DeOldifyNetwork,
    Refinement,
    block_shapes,
    weighted_shuffle,
)
from colorzoo.zoo.antic2019.task import (
    VGG_LAYERS,
    Discriminator,
    content_terms,
    pretraining_loss,
)
from parity.cases import Golden, case, load_part, record_outputs
from parity.pipelines.antic2019 import network_input, raw_image, restore_luma, square_gray


def normalized(pixels: Tensor) -> Tensor:
    """Return uint8 ``(B, H, W, 3)`` in the networks' input format."""
    return imagenet.normalized(pixels.permute(0, 3, 1, 2).float() / 255)


@case("deoldify_full")
@torch.inference_mode()
def full(golden: Golden) -> None:
    how = golden.meta["config"]
    deep = how["net"] == "artistic"
    decoder, nf_factor, encoder = ("deep", 1.5, "resnet34") if deep else ("wide", 2.0, "resnet101")
    network = DeOldifyNetwork(how.get("arch", encoder), decoder, how.get("nf_factor", nf_factor)).eval()
    load_part(network, golden.weights(), NAMES)
    layers = {"out_layer3": network.middle, "out_layer11": network.head}
    layers |= {f"out_layer{4 + index}": block for index, block in enumerate(network.blocks)}
    seen = record_outputs(layers)
    network.encoder.register_forward_hook(lambda _, __, out: seen.update({"out_layer0": out[-1]}))
    gray = golden.tensor("in_gray")
    gray = gray.view(-1, *gray.shape[-2:], 1).expand(-1, -1, -1, 3)
    golden.close("out_pred", network(normalized(gray)))
    for name, step in how["channel_step"].items():
        golden.close(name, seen[name][:, ::step])


@case("deoldify_middle")
@torch.inference_mode()
def middle(golden: Golden) -> None:
    network = DeOldifyNetwork(golden.meta["config"]["arch"], "deep", 0.1)
    norm = load_part(network.norm, golden.weights(), NAMES, "norm.")
    x = F.relu(norm(golden.tensor("in_encoder").float()))
    golden.close("out_bn_relu", x)
    first, second = load_part(network.middle, golden.weights(), NAMES, "middle.")
    x = first(x)
    golden.close_sampled("out_mid0", x)
    golden.close("out_mid1", second(x))


@case("deoldify_unet_block")
@torch.inference_mode()
def unet_block(golden: Golden) -> None:
    for name, how in golden.meta["config"]["blocks"].items():
        fan_in, skip = how["up"], how["skip"]
        if how["kind"] == "deep":
            finer = () if not how["final_div"] else (8,)  # the last block has the finest skip connection
            shape = block_shapes("deep", how["nf_factor"], (*finer, skip, fan_in))[0]
        else:
            half = how["n_out"] // 2
            shape = (fan_in, skip, half, half)
        end = [StoredSpectralAttention(shape[3])] * how["self_attention"]
        block = (DeepBlock if how["kind"] == "deep" else WideBlock)(*shape, *end)
        load_part(block, golden.weights(name), ())
        maps = [golden.tensor(f"in_{part}_{name}").float() for part in ("up", "skip")]
        golden.close(f"out_shuf_{name}", block.shuf(maps[0]))
        golden.close(f"out_{name}", block(*maps))


@case("deoldify_self_attention")
@torch.inference_mode()
def self_attention(golden: Golden) -> None:
    attention = StoredSpectralAttention(golden.meta["config"]["channels"])
    load_part(attention, golden.weights(), ())
    x = golden.tensor("in_x").float()
    golden.close("out", attention(x))
    flat = x.flatten(2)
    shares = torch.softmax(attention.query(flat).mT @ attention.key(flat), dim=1)
    golden.close("out_beta", shares)


@case("deoldify_tail")
@torch.inference_mode()
def tail(golden: Golden) -> None:
    channels = golden.meta["config"]["ni"]
    numbers = {"layers.0.": "layers.8.", "layers.2.": "layers.10.", "layers.3.": "layers.11."}
    state = {}
    for key, value in golden.weights().items():
        start = key[: len("layers.0.")]
        state[numbers[start] + key.removeprefix(start)] = value
    network = nn.Module()
    network.up, network.refine = weighted_shuffle(channels), Refinement(channels + 3)
    network.head = StoredSpectralConv(channels + 3, 3, (1, 1))
    load_part(network, state, NAMES)
    x, image = (golden.tensor(name).float() for name in ("in_x", "in_image"))
    golden.close("out_shuffle", network.up(x))
    refined = network.refine(torch.cat([network.up(x), image], dim=1))
    golden.close("out_res", refined)
    golden.close("out_logits", network.head(refined))
    golden.close("out_pred", DeOldifyNetwork.finish(network, x, image))  # type: ignore[arg-type]


@case("deoldify_critic")
@torch.no_grad()
def discriminator(golden: Golden) -> None:
    how = golden.meta["config"]
    network: Any = load_part(Discriminator(how["nf"] / 256), golden.weights(), ())
    x = normalized(golden.tensor("in_rgb"))
    golden.close("out_eval", network(x))
    attended: list[Tensor] = []
    hook = network[4].register_forward_hook(lambda _, __, out: attended.append(out))
    network(x)
    hook.remove()
    golden.close("out_attention", attended[0][:, :: how["channel_step"]])
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout2d)] == [0.075, 0.15, 0.15, 0.15]
    network.train()
    for layer in network:
        if isinstance(layer, nn.Dropout2d):
            layer.p = 0.0
    for call in (1, 2):
        golden.close(f"out_train{call}", network(x))
        golden.close(f"out_u_after{call}", network[7][0].weight_u)


@case("deoldify_losses")
def losses(golden: Golden) -> None:
    vgg = VGGOutputs(16, VGG_LAYERS, batch_norm=True)
    state = golden.weights("vgg")
    vgg.load_state_dict(state)
    vgg.eval().requires_grad_(False)
    generated = golden.tensor("in_pred").float().requires_grad_()
    terms = content_terms(generated, normalized(golden.tensor("in_true_rgb")), vgg, (20.0, 70.0, 10.0))
    content = torch.stack(terms).sum()
    golden.close("out_terms", torch.stack(terms))
    golden.close("out_feature_loss", content)
    golden.close("out_grad", torch.autograd.grad(content, generated)[0])
    fake, real = golden.tensor("in_fake_logits"), golden.tensor("in_real_logits")
    golden.close("out_g_artistic", cross_entropy_gan_loss(fake, real=True) + 2.0 * content)
    golden.close("out_g_stable", cross_entropy_gan_loss(fake, real=True) + 1.5 * content)
    both = cross_entropy_gan_loss(fake, real=False), cross_entropy_gan_loss(real, real=True)
    golden.close("out_c", sum(both) / 2)
    # the notebooks train the discriminator on mixed batches with labels
    golden.close("out_critic_pretrain", pretraining_loss(real, golden.tensor("in_labels")))


@case("deoldify_pipeline")
def pipeline(golden: Golden) -> None:
    factor = golden.meta["config"]["render_factor"]
    for kind in ("color", "gray"):
        rgb, answer = golden.arrays[f"in_rgb_{kind}"], golden.tensor(f"in_pred_{kind}").float()
        square = square_gray(rgb, factor)
        golden.close(f"out_square_{kind}", torch.tensor(square))
        golden.close(f"out_model_input_{kind}", network_input(square)[0])
        raw = raw_image(answer, (rgb.shape[1], rgb.shape[0]))
        golden.close(f"out_raw_{kind}", torch.tensor(raw))
        golden.close(f"out_final_{kind}", torch.tensor(restore_luma(raw, rgb)))

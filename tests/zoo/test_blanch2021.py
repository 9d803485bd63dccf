"""Gorriz Blanch et al. 2021: attention, discriminators, order of a training step, and VGG-19."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.losses import least_squares_discriminator_loss, least_squares_loss, weighted_sum
from colorzoo.losses.statistics import soft_histogram
from colorzoo.networks.renaming import rename_keys
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer
from colorzoo.zoo.blanch2021.model import NAMES, AxialAttention
from colorzoo.zoo.blanch2021.task import Blanch2021, ScaledPrediction
from knobs.knob import Knobs
from parity.cases import Golden, case
from parity.pipelines.blanch2021 import (
    cut_to_square,
    draw_reference,
    network_lab,
    resized,
    saved,
    score_reference,
    stored_square,
)
from parity.pipelines.lu2020 import scaled_to_rgb
from steps.step import small
from training_recipes.recipe import Recipe


def test_axial_attention_is_shifted_by_relative_positions() -> None:
    attention = AxialAttention(16, 6, positions=True)
    with torch.no_grad():
        for each in (attention.in_proj_weight, attention.relative, attention.out_proj.weight):
            each.zero_()
        attention.in_proj_bias.fill_(1.0)
        attention.relative[0, 5 + 2] = 50.0  # of a key two places above
    _, weights = attention.attend(torch.rand(1, 16, 6, 3), torch.rand(1, 16, 6, 3))
    assert weights[0, 0, 0, 2:].argmax(dim=1).tolist() == [0, 1, 2, 3]


def test_blanch2021_has_no_discriminator_at_scales_smaller_than_a_patch() -> None:
    tasks: list[Any] = [small("blanch2021", side=side) for side in (16, 32, 48, 176, 192)]
    assert [len(task.discriminator) for task in tasks] == [0, 1, 2, 3, 4]
    assert [task.is_adversarial() for task in tasks] == [False, True, True, True, True]


def test_blanch2021_generator_loss_uses_the_updated_discriminators(tmp_path: Path) -> None:
    task: Any = small("blanch2021", side=64, adversarial_weight=0.7)
    task.make_optimizer = task.make_discriminator_optimizer = lambda groups: torch.optim.SGD(groups, lr=0.1)
    batch, plain, logged = sample_batch((64, 64), batch=2), copy.deepcopy(task), {}
    record = task.log_losses
    task.log_losses = lambda values, count: (
        logged.update({k: v.item() for k, v in values.items()}),
        record(values, count),
    )
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.fit(task, batch_loader([batch]))
    assert trainer.global_step == 1  # both networks together

    generated = plain.generate(batch)
    torch.testing.assert_close(generated.ab, 110 * generated.generated[0][:, 1:])
    maps = plain.model.network(generated.truth[0][:, :1], generated.reference[0])
    fakes = [
        torch.cat([F.avg_pool2d(generated.truth[0], 2**index)[:, :1], maps[index]], dim=1)
        for index in range(2)
    ]
    discriminators = list(plain.discriminator)
    pairs = [*zip(discriminators, fakes, generated.truth, strict=False)]
    loss = torch.stack(
        [
            least_squares_discriminator_loss(discriminator(fake.detach()), discriminator(real))
            for discriminator, fake, real in pairs
        ]
    ).sum()
    assert logged["discriminator"] == pytest.approx(loss.item(), rel=1e-4)
    for parameter, gradient in zip(
        plain.discriminator.parameters(),
        torch.autograd.grad(loss, list(plain.discriminator.parameters())),
        strict=True,
    ):
        parameter.data -= 0.1 * gradient
    adversarial = torch.stack(
        [least_squares_loss(discriminator(fake)) for discriminator, fake, _ in pairs]
    ).sum()
    assert logged["adversarial"] == pytest.approx(adversarial.item(), rel=1e-3)
    total = (
        2 * logged["histogram"] + 100 * logged["pixel"] + 50 * logged["variation"] + 0.7 * adversarial.item()
    )
    assert logged["generator"] == pytest.approx(total, rel=1e-3)


def test_blanch2021_loads_torchvision_vgg19_only_if_untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    task: Any = small("blanch2021", width=1.0, adversarial_weight=0.0)
    wanted = {key: torch.rand_like(value) for key, value in task.model.network.features.state_dict().items()}
    monkeypatch.setattr(
        "colorzoo.training.perceptual.published_weights",
        lambda _: {f"features.{key}": value for key, value in wanted.items()},
    )
    features = task.model.network.features
    for trained, untrained in ((True, False), (False, True), (False, False)):
        assert not torch.equal(features[34].weight, wanted["34.weight"])
        task.trained, task.allow_untrained = trained, untrained
        task.prepare_fit()
    assert torch.equal(features[34].weight, wanted["34.weight"])
    assert not any(each.requires_grad for each in features.parameters())


# Golden files: XCNET (Gorriz Blanch et al. 2021): network, attention, losses, steps and pipeline of the
# authors.


TAPS = {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu5_1": 29, "relu5_4": 35}


def task_of(golden: Golden, side: int, part: str = "") -> Blanch2021:
    """Return the task with the weights of a file; weights that the file lacks are zero."""
    config = golden.meta["config"]
    criterion = golden.meta.get("criterion", config)
    kind: Any = "axial" if config.get("axial", True) else "full"
    task = Blanch2021(
        side=side,
        attention=kind,
        positions=config.get("pos", True),
        passes=config.get("scales", 2),
        histogram_weight=criterion.get("histogram_loss_coef", 0),
        pixel_weight=criterion.get("pixel_loss_coef", 0),
        variation_weight=criterion.get("total_variance_loss_coef", 0),
        adversarial_weight=criterion.get("gan_loss_coef", 0),
        discriminator_width=criterion.get("disc_ndf", 64) / 64,
    )
    task.log_losses = lambda *_, **__: None  # type: ignore[method-assign]
    if "relu" in str(golden.meta["shapes"]):
        task.model.load_weights(golden.weights(part), name="the authors' weights", published=True)
    for index, discriminator in enumerate(task.discriminator):
        if f"d{index}" in golden.meta["shapes"]:
            discriminator.load_state_dict(rename_keys(golden.weights(f"d{index}"), [(r"model\.", "layers.")]))
    return task


@case("xcnet_net")
@torch.no_grad()
def xcnet_net(golden: Golden) -> None:
    every, seen = golden.meta["every"], {}
    network = task_of(golden, golden.meta["config"]["input_shape"]).eval().model.network

    def keep(module: nn.Module, name: str) -> None:
        module.register_forward_hook(lambda _, __, out: seen.setdefault(name, []).append(F.relu(out)))

    for index in TAPS.values():
        keep(network.features[index], f"relu{index}")
    for index in (0, 2):
        keep(network.target_projections[2 + index], f"proj{3 + index}_tgt")
        keep(network.reference_projections[index], f"proj{3 + index}_ref")
        keep(network.attentions[index], f"att{3 + index}")
    keep(network.attentions[1], "att4")
    keep(network.decoders[0], "dec4")
    keep(network.decoders[1], "dec3")
    found = network(golden.tensor("in_tgt").float(), golden.tensor("in_ref").float())
    for index, ab in enumerate(found, start=1):
        golden.close(f"out_pred{index}", ab)
    for name, layer in TAPS.items():
        maps = [each[:1, :: every["tap"]] for each in seen[f"relu{layer}"]]
        step = 2 if name == "relu1_1" else 1
        golden.close(f"out_{name}", maps[0][..., ::step, ::step])
        if f"out_ref_{name}" in golden.arrays:
            golden.close(f"out_ref_{name}", maps[1])
    for name in ("proj3_tgt", "proj3_ref", "proj5_tgt", "proj5_ref", "dec4", "dec3"):
        golden.close(f"out_{name}", seen[name][0][:1, :: every["proj"]])
    for name in ("att3", "att4", "att5"):
        golden.close(f"out_{name}", seen[name][0][:, :: every["proj"]])


@case("xcnet_axial")
@torch.no_grad()
def xcnet_axial(golden: Golden) -> None:
    config = golden.meta["config"]
    query, key = golden.tensor("in_query").float(), golden.tensor("in_key").float()
    for part in ("pos", "no_pos"):
        attention = AxialAttention(config["in_dim"], config["kernel_size"], positions=part == "pos")
        attention.load_state_dict(golden.weights(part))
        for axis in ("rows", "cols"):
            turned = [each if axis == "rows" else each.mT for each in (query, key)]
            found, shares = attention.attend(*turned)
            golden.close(f"out_{part}_{axis}", found if axis == "rows" else found.mT)
            name = f"out_{part}_{axis}_weights"
            golden.close(name, shares.mean(dim=2)[:, ::3])


def check_losses(golden: Golden, terms: dict[str, list[Tensor]]) -> None:
    """Compare the losses of each scale."""
    names = {"hist": "histogram", "pix": "pixel", "tv": "variation", "g": "adversarial"}
    for theirs, ours in names.items():
        for index, term in enumerate(terms.get(ours, [])):
            golden.close(f"out_{theirs}_loss_{index}", term)
    if "adversarial" in terms:
        golden.close("out_g_loss", torch.stack(terms["adversarial"]).sum())


def check_change(golden: Golden, name: str, before: Tensor, after: Tensor) -> None:
    """Compare Adam updates where the file marks their sign as reliable."""
    mask = golden.tensor(name.split("_change")[0] + "_change_mask")
    golden.close(name, (after - before).detach() * mask)


def descend(loss: Tensor, network: nn.Module, rate: float) -> None:
    """Take a step of Adam."""
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=rate)
    loss.backward()
    optimizer.step()


@case("xcnet_losses")
def xcnet_losses(golden: Golden) -> None:
    truth, reference = golden.tensor("in_tgt").float(), golden.tensor("in_ref").float()
    config, task = golden.meta["config"], task_of(golden, truth.shape[-1]).train()
    maps = [golden.tensor(f"in_pred{index}").float().requires_grad_() for index in range(1, 5)]
    generated = colored(task, truth, reference, maps)
    golden.close("out_hist_ref", soft_histogram(reference[:, 1:]))
    golden.close("out_hist_pred1", soft_histogram(maps[0]))
    centers = torch.linspace(-1, 1, golden.arrays["out_hist_centres"].size)
    golden.close("out_hist_centres", centers)
    losses = task.discriminator_losses(generated)
    for index, loss in enumerate(losses):
        golden.close(f"out_d_loss_{index}", loss)
    golden.close("out_d_loss", torch.stack(losses).sum())
    first = task.discriminator[0].layers[0].weight
    before = first.detach().clone()
    descend(torch.stack(losses).sum(), task.discriminator, config["lr"])
    golden.close("out_d0_grad_first", first.grad)
    norms = torch.stack([p.grad.norm() for p in task.discriminator[0].parameters()])
    golden.close("out_d0_grad_norms", norms)
    check_change(golden, "out_d0_change_first", before, first)
    terms = task.losses(generated)
    check_losses(golden, terms)
    total = total_of(task, terms)
    golden.close("out_total", total)
    for name in ("mean", "var"):
        golden.close(f"out_d0_running_{name}3", task.discriminator[0].layers[3].get_buffer(f"running_{name}"))
    for index, gradient in enumerate(torch.autograd.grad(total, maps), start=1):
        golden.close(f"out_grad_pred{index}", gradient[..., ::3, ::3] if index == 1 else gradient)


def total_of(task: Blanch2021, terms: dict[str, list[Tensor]]) -> Tensor:
    """Return the weighted sum over terms and scales."""
    return weighted_sum({name: torch.stack(each).sum() for name, each in terms.items()}, task.hparams)


def colored(task: Blanch2021, truth: Tensor, reference: Tensor, maps: list[Tensor]) -> ScaledPrediction:
    """Return a batch whose colors are the given maps."""
    return task.scaled_prediction(maps, truth, reference)


@case("xcnet_step")
def xcnet_step(golden: Golden) -> None:
    config = golden.meta["config"]
    # in float64: in float32 a rounding takes another side of a leaky ReLU, and a gradient with it
    task = task_of(golden, config["input_shape"], "xcnet").train().double()
    network = task.model.network
    truth, reference = golden.tensor("in_tgt").double(), golden.tensor("in_ref").double()
    generated = task.scaled_prediction(network(truth[:, :1], reference), truth, reference)
    if task.is_adversarial():
        loss = torch.stack(task.discriminator_losses(generated)).sum()
        golden.close("out_d_loss", loss)
        descend(loss, task.discriminator, config["lr"])
        task.discriminator.requires_grad_(False)
    terms = task.losses(generated)
    check_losses(golden, terms)
    total = total_of(task, terms)
    golden.close("out_total", total)
    named = {ours_of(key): key for key in golden.meta["grad_keys"]}
    head = network.heads[3][2].weight
    before = head.detach().clone()
    total.backward()
    torch.optim.Adam([head], lr=config["lr"]).step()  # nothing follows: the others need not be moved
    gradients = {named[name]: p.grad for name, p in network.named_parameters() if name in named}
    golden.close("out_grad_norms", torch.stack([gradients[key].norm() for key in golden.meta["grad_keys"]]))
    golden.close("out_grad_att5_relative", gradients["att5.module.0.cols.relative"])
    golden.close("out_grad_att3_in_proj_bias", gradients["att3.module.0.rows.in_proj_bias"])
    golden.close("out_grad_head1_conv2", gradients["head1.conv2.weight"])
    golden.close("out_grad_proj5_ref_bias", gradients["proj5.proj_ref.bias"])
    check_change(golden, "out_change_head1_conv2", before, head)
    norms = {"att5": network.attentions[2].target_norm, "att3": network.attentions[0].reference_norm}
    for name, norm in norms.items():
        golden.close(f"out_running_{name}", torch.stack([norm.running_mean, norm.running_var]))
    golden.close("out_batches_tracked", norms["att5"].num_batches_tracked)
    golden.close("out_pred1", generated.generated[0][:, 1:, ::2, ::2])
    golden.close("out_pred4", generated.generated[3][:, 1:])


def ours_of(key: str) -> str:
    """Return our name of one of the authors' keys."""
    (name,) = rename_keys({key: torch.empty(0)}, NAMES)
    return name


@case("xcnet_pipeline")
def xcnet_pipeline(golden: Golden) -> None:
    config, arrays = golden.meta["config"], golden.arrays
    side = config["input_shape"]
    labs = [network_lab(cut_to_square(arrays[f"in_picture{index}"], side)) for index in range(2)]
    for index, lab in enumerate(labs):
        golden.close(f"out_lab{index}", lab)
        square = stored_square(arrays[f"in_picture{index}"], config["square"])
        golden.close(f"out_square{index}", torch.from_numpy(square))
    made = torch.cat([labs[0][:, :1], golden.tensor("in_pred").float()], dim=1)
    golden.close("out_rgb", scaled_to_rgb(made, clip=False))
    golden.close("out_saved", torch.from_numpy(saved(made)))
    golden.close("out_roundtrip", scaled_to_rgb(labs[1], clip=False)[:, :, ::2, ::2])
    for index, name in enumerate(("tgt", "ref")):
        small = network_lab(resized(arrays[f"out_square{index}"], side))
        golden.close(f"out_train_{name}", small[0, :, ::2, ::2])
    random = np.random.RandomState(golden.meta["seed"])
    drawn = [2 + draw_reference(random) for _ in arrays["out_choice"]]  # columns of the authors' table
    golden.close("out_choice", torch.tensor(drawn))


@case("xcnet_retrieval")
def xcnet_retrieval(golden: Golden) -> None:
    arrays = golden.arrays

    def given(name: str) -> Any:
        return arrays[f"in_{name}_features"].astype(np.float32), arrays[f"in_{name}_y"]

    count = len(arrays["out_score"])
    found = [score_reference(given("target"), given(f"ref{index}")) for index in range(count)]
    golden.close("out_score", torch.tensor([score for score, _ in found]))
    golden.close("out_match", torch.from_numpy(np.stack([match for _, match in found])))


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="blanch2021/paper.yaml",
        source="fact sheet xcnet, sections 5 and 8: the authors' config and training loop",
        rates={0: 1e-5, 8999: 1e-5},
        discriminator_rates={0: 1e-5, 8999: 1e-5},
        batch=12, epochs=90,
        settings={
            "width": 1.0, "side": 224, "attention": "axial", "positions": True, "passes": 2,
            "histogram_weight": 2.0, "pixel_weight": 100.0, "variation_weight": 50.0,
            "adversarial_weight": 1.0, "discriminator_width": 1.0,
        },
        fixed=("model.network.features.",),
    ),
)  # fmt: skip


KNOBS = {
    "blanch2021": Knobs(
        values={
            "width": 0.25, "side": 48, "attention": "full", "positions": False, "discriminator_width": 0.25,
        },
    ),
}  # fmt: skip

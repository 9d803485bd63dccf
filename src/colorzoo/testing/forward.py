"""What a model answers: any size, alike in a batch, obeying its guidance, the same every time."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import get_args

import torch

from colorzoo.card import GuidanceKind, ModelCard
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance
from colorzoo.registry import load_inference_class
from colorzoo.settings import known_settings
from colorzoo.tasks import ColorizationModule
from colorzoo.testing.models import difference, picture, predict, require, sample_call, smoke_model
from colorzoo.testing.samples import Size, sample_guidance

ODD_SIZES: tuple[Size, ...] = ((37, 53), (8, 9), (1, 1))
_SIZE: Size = (37, 53)
_ROUNDING = 1e-5  # float32 sums in another order
_OTHER_KERNELS = 1e-4  # other algorithms; matching at a temperature of 0.01 makes their differences larger
_BFLOAT16 = 0.05  # of the full scale, at the worst pixel


def check_odd_sizes(card: ModelCard) -> None:
    """Pictures of any height and width come back with their size, finite, in float32."""
    model = smoke_model(card)
    channels = 2 if card.output == "ab" else 3
    for size in ODD_SIZES:
        luma, guidance = sample_call(card, size, batch=2)
        answer = predict(card, model, luma, guidance)
        require(answer.shape == (2, channels, *size), f"{card.name}: {size} gives {tuple(answer.shape)}")
        require(answer.dtype == torch.float32, f"{card.name}: answers {answer.dtype}, not float32")
        require(bool(answer.isfinite().all()), f"{card.name}: not finite at {size}")
        in_range = card.output == "ab" or 0 <= float(answer.min()) <= float(answer.max()) <= 1
        require(in_range, f"{card.name}: RGB leaves [0, 1]")


def check_inference_model(card: ModelCard) -> None:
    """A model that only colors declares and answers to the bit what the task does with the same weights."""
    if card.inference is None:
        return
    task, light_class = smoke_model(card), load_inference_class(card)
    known = known_settings(light_class)
    wanted = {**card.hparams, **card.smoke.hparams}
    light = build_model(light_class, {name: value for name, value in wanted.items() if name in known}).eval()
    light.load_state_dict(task.for_inference(task.state_dict()))
    for name in ("accepts", "input_kind", "output_kind", "working_size"):
        require(
            getattr(light, name) == getattr(task, name), f"{card.name}: other {name} where it only colors"
        )
    for luma, guidance in (sample_call(card, _SIZE), (sample_call(card, _SIZE)[0], None)):
        answers = predict(card, light, luma, guidance), predict(card, task, luma, guidance)
        require(torch.equal(*answers), f"{card.name}: answers otherwise where it only colors")


def check_batch_equals_single(card: ModelCard) -> None:
    """A picture gets the same colors alone and in a batch."""
    model = smoke_model(card)
    luma, guidance = sample_call(card, _SIZE, batch=3)
    together = predict(card, model, luma, guidance)
    for index in range(3):
        one = slice(index, index + 1)
        alone = predict(card, model, luma[one], guidance[one])
        moved = difference(card, alone, together[one])
        require(moved < _ROUNDING, f"{card.name}: picture {index} differs by {moved:.2e} in a batch")


def check_guidance(card: ModelCard) -> None:
    """Each accepted kind of guidance changes the answer, alone or beside others; other kinds do not."""
    model = smoke_model(card)
    luma, _ = sample_call(card, _SIZE)
    plain = predict(card, model, luma, Guidance())
    require(torch.equal(plain, predict(card, model, luma, None)), f"{card.name}: None is not Guidance()")
    for kind in get_args(GuidanceKind):
        given = predict(card, model, luma, sample_guidance([kind], _SIZE))
        if kind in card.guidance:
            alone = difference(card, given, plain)
            heard = alone > _ROUNDING or _changes_others(card, model, kind)
            require(heard, f"{card.name} accepts {kind} but ignores it")
        else:
            require(torch.equal(given, plain), f"{card.name} does not accept {kind} but changes by it")


def _changes_others(card: ModelCard, model: ColorizationModule, kind: GuidanceKind) -> bool:
    """Say whether a kind changes the answer to all other kinds: a class map needs an exemplar to speak of."""
    luma, everything = sample_call(card, _SIZE)
    without = predict(card, model, luma, replace(everything, **{kind: None}))
    return difference(card, predict(card, model, luma, everything), without) > _ROUNDING


def check_guidance_moves(card: ModelCard) -> None:
    """`Guidance.to` moves every tensor of every accepted kind, and its slices keep all kinds."""
    guidance = sample_guidance(card.guidance, (8, 9), batch=3)
    require(guidance.to("cpu")[1:].kinds() == guidance.kinds(), f"{card.name}: kinds lost")
    for kind in guidance.kinds():
        moved = vars(getattr(guidance.to("meta")[1:], kind)).values()
        tensors = [value for value in moved if isinstance(value, torch.Tensor)]
        ok = bool(tensors) and all(value.is_meta and len(value) == 2 for value in tensors)
        require(ok, f"{card.name}: {kind} did not move or slice")


def check_deterministic(card: ModelCard) -> None:
    """The same input gives the same pixels, whatever the global random state."""
    model = smoke_model(card)
    luma, guidance = sample_call(card, _SIZE)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = predict(card, model, luma, guidance)
        torch.manual_seed(2)
        second = predict(card, model, luma, guidance)
    require(torch.equal(first, second), f"{card.name}: the same input gave different pixels")


def check_bfloat16_autocast(card: ModelCard) -> None:
    """Mixed precision stays close to float32, and is answered in float32."""
    model = smoke_model(card)
    luma, guidance = sample_call(card, _SIZE)
    exact = predict(card, model, luma, guidance)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = predict(card, model, luma, guidance)
    require(mixed.dtype == torch.float32, f"{card.name}: answers {mixed.dtype} under autocast")
    moved = difference(card, mixed, exact)
    require(moved < _BFLOAT16, f"{card.name}: bfloat16 moves the answer by {moved:.1%} of the full scale")


def check_memory_format(card: ModelCard) -> None:
    """Channels-last tensors and weights change the speed, not the colors."""
    luma, guidance = sample_call(card, _SIZE, batch=2)
    answers = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        model = copy.deepcopy(smoke_model(card)).to(memory_format=memory_format)
        answers.append(predict(card, model, luma.contiguous(memory_format=memory_format), guidance))
    moved = difference(card, *answers)
    require(moved < _OTHER_KERNELS, f"{card.name}: the memory format moves the answer by {moved:.2e}")


def check_gradient_reaches_input(card: ModelCard) -> None:
    """The answer is differentiable in its input, so that a model can be part of a larger one.

    A declared limit is real: then no gradient reaches the input.
    """
    luma, guidance = sample_call(card, _SIZE)
    luma.requires_grad_()
    answer = picture(card, smoke_model(card)(luma, guidance)).sum()
    if answer.requires_grad:
        torch.autograd.backward(answer)
    ok = luma.grad is not None and bool(luma.grad.isfinite().all()) and bool(luma.grad.any())
    if "gradient" in card.limits:
        require(not ok, f"{card.name} declares that no gradient reaches its input, but one does")
    else:
        require(ok, f"{card.name}: no gradient reaches the input")

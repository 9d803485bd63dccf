"""Checks of the properties that all metrics share, like torchmetrics' own tests; one `Case` per metric."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics import Metric

from colorzoo.errors import DataError
from colorzoo.testing.processes import in_processes

Batch = dict[str, Tensor]
Values = dict[str, float]


@dataclass(frozen=True)
class Case:
    """A metric with its input and expected output.

    Attributes:
        name: Id of the test.
        build: Constructor of the metric.
        batches: Arguments of ``update``, batch by batch; at least two, of different sizes.
        reference: Independent computation of the result from all images at once.
        tolerance: Absolute tolerance of the result.
        half_tolerance: Absolute tolerance of the result for float16 input.
        empty: Result of ``compute`` before any update, by name; NaN or 0.
        gradient_of: Name of the input in which a differentiable metric has a gradient.
    """

    name: str
    build: Callable[..., Metric]
    batches: Sequence[Batch]
    reference: Callable[[Batch], Values]
    tolerance: float = 1e-4
    half_tolerance: float = 0.05
    empty: Values = field(default_factory=lambda: {"": math.nan})
    gradient_of: str = "rgb"


def pool(batches: Sequence[Batch]) -> Batch:
    """Return one batch of all images."""
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def values_of(measure: Any) -> Values:
    """Return the result of ``compute`` as numbers by name; a single number has the name ''."""
    named = measure if isinstance(measure, dict) else {"": measure}
    return {name: float(value) for name, value in named.items()}


def measure(metric: Metric, batches: Sequence[Batch]) -> Values:
    for batch in batches:
        metric.update(**batch)
    return values_of(metric.compute())


def assert_equal(found: Values, expected: Values, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        same = math.isclose(found[name], value, rel_tol=0, abs_tol=tolerance)
        assert same or (math.isnan(value) and math.isnan(found[name])), (name, found[name], value)


def check_reference(case: Case) -> None:
    metric, expected = case.build(), case.reference(pool(case.batches))
    with torch.device("meta"):  # tensors without an explicit device are not on the input's device
        found = measure(metric, case.batches)
    assert_equal(found, expected, case.tolerance)


def check_accumulation(case: Case) -> None:
    """Batches add up to the whole, ``forward`` returns the value of a batch, ``reset`` clears the states."""
    metric, whole = case.build(), measure(case.build(), [pool(case.batches)])
    for batch in case.batches:
        assert_equal(values_of(metric(**batch)), measure(case.build(), [batch]), case.tolerance)
    assert_equal(values_of(metric.compute()), whole, case.tolerance)
    metric.reset()
    first = measure(case.build(), case.batches[:1])
    assert_equal(measure(metric, case.batches[:1]), first, case.tolerance)


def check_input_values(case: Case) -> None:
    """Check half precision, no input, gradients and invalid input."""
    check_half(case)
    check_empty(case)
    check_gradient(case)
    check_invalid_values(case)


def check_half(case: Case) -> None:
    """Float16 input is computed in float32 and gives nearly the same result."""
    halved = [{name: to_half(value) for name, value in batch.items()} for batch in case.batches]
    assert_equal(measure(case.build(), halved), measure(case.build(), case.batches), case.half_tolerance)


def to_half(value: Tensor) -> Tensor:
    return value.half() if value.is_floating_point() else value


def check_empty(case: Case) -> None:
    with warnings.catch_warnings():  # torchmetrics warns of compute before update
        warnings.simplefilter("ignore")
        assert_equal(values_of(case.build().compute()), case.empty, 0.0)


def check_gradient(case: Case) -> None:
    """With ``is_differentiable`` the input has a finite gradient that is not 0, otherwise none."""
    metric, batch = case.build(), dict(case.batches[0])
    image = batch[case.gradient_of].clone().requires_grad_()
    named = metric(**batch | {case.gradient_of: image})
    main = next(iter(named.values())) if isinstance(named, dict) else named
    if not main.requires_grad:
        assert not metric.is_differentiable
        return
    (gradient,) = torch.autograd.grad(main, image, allow_unused=True)
    if metric.is_differentiable:
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0
    else:
        assert gradient is None or gradient.abs().max() == 0


def check_invalid_values(case: Case) -> None:
    """Integers, NaN and RGB outside [0, 1] raise DataError in every input, unless ``validate_args=False``."""
    changes: dict[str, Callable[[Tensor], Tensor]] = {
        "uint8": lambda value: (value.abs() * 255).byte(),
        "NaN": lambda value: value.masked_fill(torch.arange(value.shape[-1]) == 3, math.nan),
        "[0, 255]": lambda value: value * 255,
        "[-1, 1]": lambda value: value * 2 - 1,
    }
    batch = case.batches[0]
    for name in batch.keys() - {"edges", "labels"}:
        # another scale of ab cannot be detected, and predicted ab may be outside every gamut
        known = {"uint8", "NaN"} if "ab" in name else changes.keys()
        for what in known | ({"[0, 255]"} if name == "target_ab" else set()):
            with pytest.raises(DataError, match=r"images must be|NaN|expected"):
                case.build().update(**batch | {name: changes[what](batch[name])})
    metric = case.build()
    metric.validate_args = False
    metric.update(**batch)


def check_options(case: Case) -> None:
    """A metric accepts the options of torchmetrics and keeps its states when it is pickled."""
    metric = case.build(compute_on_cpu=True)
    assert metric.compute_on_cpu
    metric.update(**case.batches[0])
    copy = pickle.loads(pickle.dumps(metric))
    metric.reset()
    assert_equal(measure(copy, case.batches[1:]), measure(metric, case.batches), 0.0)
    assert not metric.full_state_update  # else ``forward`` would update twice for each batch
    better = {"higher": True, "lower": False, "neither": None}
    assert all(better[shown.better] is metric.higher_is_better for shown in metric.outputs[:1])


def check_device_without_float64(case: Case) -> None:
    """A metric can be moved to a device that lacks float64, such as MPS."""

    def move(value: Tensor) -> Tensor:
        if value.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return value.clone()

    metric = case.build()._apply(move)
    metric.reset()
    assert_equal(measure(metric, case.batches), measure(case.build(), case.batches), case.tolerance)


def check_plot(case: Case) -> None:
    """The method ``plot`` of torchmetrics draws the values of a metric."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    metric = case.build()
    metric.update(**case.batches[0])
    figure, axes = metric.plot()
    assert axes.has_data()
    pyplot.close(figure)


def check_two_processes(cases: Sequence[Case], folder: Path) -> None:
    """Two processes that share the batches unevenly give the result of one process."""
    assert in_processes(write_half, cases, folder, processes=2) == [0, 0]
    for rank in (0, 1):
        answers = pickle.loads((folder / f"{rank}.pickle").read_bytes())
        for case in cases:
            assert_equal(answers[case.name], measure(case.build(), case.batches), case.tolerance)


def write_half(cases: Sequence[Case], folder: Path) -> None:
    """Write the results by name: rank 0 takes the first batch, rank 1 all others."""
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    part = slice(1) if rank == 0 else slice(1, None)
    found = {case.name: measure(case.build(), case.batches[part]) for case in cases}
    torch.distributed.destroy_process_group()
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(found))

"""Golden files, and the registry of tests for their cases."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colorzoo.networks.renaming import Pattern, rename_keys, reshape_like
from pseudo_spectral import with_power_iterations
from pseudo_weights import pseudo_state_dict

_HEAVY = 100_000_000  # weights; such files are for `-m nightly`
# files that take more than two seconds on an idle core, each beside a quick one of its paper
_SLOW = frozenset(
    {
        *("ci2018_critic", "sscn_step"),  # 7 GB and two minutes in float64
        *("gray2colornet_net", "huang2022_transformer_full", "huang2022_windows", "icolorit_base_224"),
        *("icolorit_hint_stats", "icolorit_small_224", "icolorit_variants", "iizuka2016_net_64"),
        *("iizuka2016_step", "lee2020_generator", "lee2020_step", "li2018_pipeline", "spcolor_dino_64"),
        *("sscn_full", "xcnet_step", "xcnet_step_gan", "xia2022_step", "xiao2020_network_128"),
        *("xiao2020_network_64", "yin2021_net"),
    }
)
FOLDER = Path(os.environ.get("COLORZOO_GOLDEN") or Path(__file__).parent.parent / "golden")


@dataclass(frozen=True)
class Golden:
    """A golden file."""

    path: Path
    meta: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    @property
    def heavy(self) -> bool:
        """Whether drawing its weights takes seconds, or its case is known to take minutes."""
        if self.path.stem in _SLOW:
            return True
        shapes = self.meta.get("shapes", {})
        return sum(math.prod(shape) for shape in shapes.values() if isinstance(shape, list)) > _HEAVY

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])

    def weights(self, part: str = "") -> dict[str, Tensor]:
        """Return the pseudo weights under the authors' names; ``part`` selects one of several networks."""
        shapes, seed, scales = (self.meta[key] for key in ("shapes", "seed", "scales"))
        if part:
            shapes, seed = shapes[part], seed[part] if isinstance(seed, dict) else seed
            of_parts = any(isinstance(each, dict) for each in scales.values())
            scales = scales.get(part, {}) if of_parts else scales
        arrays = with_power_iterations(
            pseudo_state_dict(shapes, seed, scales), self.meta.get("power_iterations", 0)
        )
        return {key: torch.from_numpy(value) for key, value in arrays.items()}

    def sampled(self, name: str, ours: Tensor) -> Tensor:
        """Return every n-th entry along each dimension of `ours`, so that the shape matches the array `name`.

        If several steps give the number of entries, the part nearest to the array is returned.
        """
        expected = self.tensor(name)
        fitting = (
            [n for n in range(1, mine + 1) if -(-mine // n) == theirs]
            for mine, theirs in zip(ours.shape, expected.shape, strict=True)
        )
        found = [ours[tuple(slice(None, None, n) for n in steps)] for steps in product(*fitting)]
        assert found, f"{name}: {tuple(ours.shape)} has no part of {tuple(expected.shape)}"
        return min(found, key=lambda part: float((part.detach() - expected).abs().sum()))

    def close_sampled(self, name: str, ours: Tensor, *, like: str = "") -> None:
        """Apply `close` to the result of `sampled`."""
        self.close(name, self.sampled(name, ours), like=like)

    def close(
        self, name: str, ours: Tensor, *, like: str = "", within: tuple[float, float] | None = None
    ) -> None:
        """Assert that `ours` is the array `name`, within rtol and atol or the file's tolerance."""
        expected = self.tensor(name)
        assert ours.shape == expected.shape, name
        ours = ours.detach().to(expected)
        found = self._stated(like or name)
        if isinstance(found, list) and not within:  # one for each entry
            unit = torch.tensor(found, dtype=expected.dtype)
            ours, expected, rtol, atol = ours / unit, expected / unit, 0.0, 1.0
        else:
            rtol, atol = within or self.tolerance(like or name)
        message = f"{self.path.name}: {name}"
        torch.testing.assert_close(ours, expected, rtol=rtol, atol=atol, msg=lambda m: f"{message}: {m}")

    def tolerance(self, name: str) -> tuple[float, float]:
        """Return rtol and atol of this array, of its longest stated prefix, or of the default.

        They are stated as words or as an absolute number, with or without ``out_`` before the name.
        """
        found = self._stated(name)
        if isinstance(found, str):
            words = found.replace(",", " ").split()
            found = {k: float(v) for k, v in zip(words[::2], words[1::2], strict=True)}
        elif not isinstance(found, dict):
            found = {"atol": float(found)}
        return found.get("rtol", 0.0), found.get("atol", 0.0)

    def _stated(self, name: str) -> Any:
        stated = self.meta["tolerance"]
        stated = stated if isinstance(stated, dict) else {"default": stated}
        bare = name.removeprefix("out_")
        key = max((k for k in stated if name.startswith(k) or bare.startswith(k)), key=len, default="default")
        return stated.get(key, stated)  # some files state one tolerance for all their arrays


CaseTest = Callable[[Golden], None]
CASES: dict[str, CaseTest] = {}


def case(name: str) -> Callable[[CaseTest], CaseTest]:
    """Register the test of a case."""

    def register(test: CaseTest) -> CaseTest:
        assert name not in CASES, f"two tests for the case {name!r}"
        CASES[name] = test
        return test

    return register


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of a file, read at the first access, because a test uses few files.

    Args:
        path: The file.
        names: Their names.
    """

    def __init__(self, path: Path, names: list[str]) -> None:
        self._path, self._names = path, names

    def __getitem__(self, name: str) -> np.ndarray:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @cached_property
    def _all(self) -> dict[str, np.ndarray]:
        with np.load(self._path, allow_pickle=False) as file:
            return {name: file[name] for name in self._names}


def read(path: Path) -> Golden:
    with np.load(path, allow_pickle=False) as file:
        names = [name for name in file.files if name != "meta"]
        return Golden(path, json.loads(str(file["meta"])), Arrays(path, names))


def golden_files() -> Iterator[Golden]:
    return map(read, sorted(FOLDER.glob("*.npz")))


def load_part(
    module: nn.Module,
    state: Mapping[str, Tensor],
    patterns: Sequence[Pattern],
    ours: str = "",
    theirs: str = "",
) -> Any:
    """Rename the authors' tensors, load the tensors of one part into its module, and return it in eval mode.

    Args:
        module: The part.
        state: The authors' tensors.
        patterns: See `rename_keys`.
        ours: Prefix of the part in this project's names.
        theirs: Prefix that the authors' whole model adds.
    """
    renamed = rename_keys({theirs + key: value for key, value in state.items()}, patterns)
    found = {key.removeprefix(ours): value for key, value in renamed.items() if key.startswith(ours)}
    module.load_state_dict(reshape_like(found, module.state_dict()), assign=True)
    return module.eval()


def record_outputs(modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Return a dictionary that receives the last output of each module."""
    seen: dict[str, Any] = {}
    for name, module in modules.items():
        module.register_forward_hook(lambda *call, name=name: seen.update({name: call[-1]}))
    return seen


def check_update(
    golden: Golden, chosen: Sequence[Tensor], optimizer: torch.optim.Optimizer, part: str = ""
) -> None:
    """Compare the norms of gradients, and of changes by a step of the optimizer."""
    golden.close(f"out_{part}grad_norm", torch.stack([p.grad.norm() for p in chosen]))  # type: ignore[union-attr]
    before = [p.detach().clone() for p in chosen]
    optimizer.step()
    moved = [(p.detach() - old).norm() for p, old in zip(chosen, before, strict=True)]
    golden.close(f"out_{part}update_norm", torch.stack(moved))


def results_of(network: nn.Module, method: str) -> list[Any]:
    """Return a list to which every later call of a method adds what it returns."""
    results, called = [], getattr(network, method)

    def call(*arguments: Any) -> Any:
        results.append(called(*arguments))
        return results[-1]

    setattr(network, method, call)
    return results


def check_gradient_norms(
    golden: Golden, network: nn.Module, patterns: Sequence[Pattern]
) -> dict[str, Tensor]:
    """Compare the norms of gradients, and return the gradients by the authors' names."""
    ours = {
        key: name for key in golden.meta["grad_keys"] for name in rename_keys({key: torch.empty(0)}, patterns)
    }
    found = {key: network.get_parameter(name).grad for key, name in ours.items()}
    gradients = {key: value for key, value in found.items() if value is not None}
    golden.close("out_grad_norms", torch.stack([gradients[key].norm() for key in golden.meta["grad_keys"]]))
    return gradients

"""Weight files in repositories of the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colorzoo.console import first_words
from colorzoo.environment import is_on
from colorzoo.errors import WeightsError

HUB = "hf-hub:"
"""Start of the address of a Hugging Face Hub repository."""
WEIGHTS_FILE = "model.safetensors"
"""Weight file in a folder of `ColoringModel.save_pretrained` or a repository of the Hugging Face Hub."""
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
"""Name of a repository, OWNER/NAME."""


def is_offline() -> bool:
    """Return whether the environment variable ``COLORZOO_OFFLINE`` disables downloads."""
    return is_on("COLORZOO_OFFLINE")


def hub_file(source: str, revision: str | None = None, *, offline: bool = False) -> Path:
    """Download the weight file of a repository unless it is in the cache; return its local path.

    Args:
        source: ``OWNER/NAME``, ``hf-hub:OWNER/NAME`` or ``hf-hub:OWNER/NAME@REVISION``.
        revision: Branch, tag or commit; None selects the revision of the address, or the main branch.
        offline: Whether to use only local files.

    Raises:
        WeightsError: The file does not exist, or the Hub cannot be reached.
    """
    repository, _, found = source.removeprefix(HUB).partition("@")
    if not REPOSITORY.fullmatch(repository):
        raise WeightsError(f"expected a folder that save_pretrained wrote or OWNER/NAME, got {repository!r}")
    local = offline or is_offline()
    with hub_errors(f"{HUB}{repository} cannot be downloaded"):
        from huggingface_hub import hf_hub_download

        path = hf_hub_download(
            repository, WEIGHTS_FILE, revision=revision or found or None, local_files_only=local
        )
        return Path(path)


def cached_timm_weights(name: str) -> dict[str, Any]:
    """Return the arguments of ``timm.create_model`` that load cached weights without a connection.

    Args:
        name: Name of a timm model, optionally followed by a dot and a weight tag.

    Returns:
        ``pretrained`` and ``pretrained_cfg_overlay``; empty if the cache of the Hugging Face Hub does not
        contain the weights.
    """
    import timm
    from huggingface_hub import try_to_load_from_cache

    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        return {}
    for file in ("model.safetensors", "pytorch_model.bin"):
        path = try_to_load_from_cache(config.hf_hub_id, file)
        if isinstance(path, str):
            # custom_load is for the files of other addresses, such as npz
            return {"pretrained": True, "pretrained_cfg_overlay": {"file": path, "custom_load": False}}
    return {}


@contextmanager
def hub_errors(problem: str) -> Iterator[None]:
    """Convert any error of ``huggingface_hub``, or its absence, to a `WeightsError`."""
    try:
        yield
    except ImportError as error:
        raise WeightsError(
            f"{problem}: the package {error.name} is missing. Run `python -m pip install 'colorzoo[hub]'`."
        ) from error
    except Exception as error:  # the errors of its HTTP client differ between versions
        raise WeightsError(f"{problem} ({first_words(error, 300)})") from error

"""Download of weight files from the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colorzoo.environment import is_on
from colorzoo.errors import WeightsError, first_words

HUB = "hf-hub:"
"""Start of the address of a repository."""
WEIGHTS_FILE = "model.safetensors"
"""Weight file in a repository, or in a folder of `ColoringModel.save_pretrained`."""
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def hub_file(source: str, *, offline: bool = False) -> Path:
    """Return the weight file of a repository ``hf-hub:OWNER/NAME`` or ``hf-hub:OWNER/NAME@REVISION``.

    Args:
        source: Address of the repository.
        offline: Whether to use only local files.

    Raises:
        WeightsError: The file does not exist, or the Hub cannot be reached.
    """
    repository, _, revision = source.removeprefix(HUB).partition("@")
    return download_weights(repository, revision or None, offline=offline)


def download_weights(repository: str, revision: str | None, *, offline: bool) -> Path:
    """Download the weight file of a repository unless it is in the cache; return its local path.

    Raises:
        WeightsError: The file does not exist, or the Hub cannot be reached.
    """
    if not REPOSITORY.fullmatch(repository):
        raise WeightsError(f"expected a folder that save_pretrained wrote or OWNER/NAME, got {repository!r}")
    local = offline or is_on("COLORZOO_OFFLINE")
    with one_line(f"{HUB}{repository} cannot be downloaded"):
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(repository, WEIGHTS_FILE, revision=revision, local_files_only=local))


@contextmanager
def one_line(problem: str) -> Iterator[None]:
    """Convert any error of ``huggingface_hub``, or its absence, to a `WeightsError`."""
    try:
        yield
    except ImportError as error:
        raise WeightsError(
            f"{problem}: the package {error.name} is missing. Run `python -m pip install 'colorzoo[hub]'`."
        ) from error
    except Exception as error:  # the errors of its HTTP client differ between versions
        raise WeightsError(f"{problem} ({first_words(error, 300)})") from error

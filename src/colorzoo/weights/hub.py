"""Downloads from and uploads to the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colorzoo.errors import WeightsError, first_words
from colorzoo.registry import model_card
from colorzoo.weights.catalog import is_offline
from colorzoo.weights.load import WEIGHTS_FILE, model_of_file

HUB = "hf-hub:"
"""Prefix for repository names on the Hugging Face Hub, as in timm."""


def hub_weights(source: str, *, offline: bool) -> tuple[str, Path]:
    """Download weights from the Hugging Face Hub; return the model name and the file path.

    Args:
        source: ``hf-hub:OWNER/NAME`` with an optional ``@REVISION``. The repository must contain a file
            ``model.safetensors`` written by ``colorzoo weights convert`` or `ColoringModel.push_to_hub`.
        offline: Whether to use only local files.

    Raises:
        WeightsError: The repository does not exist, the Hub cannot be reached, or the file has no model name.
        UnknownModelError: The model is not registered.
    """
    repository, _, revision = source.removeprefix(HUB).partition("@")
    path = download_file(repository, WEIGHTS_FILE, revision=revision or None, offline=offline)
    name = model_of_file(path)
    if name is None:
        raise WeightsError(
            f"{path} does not contain a model name. Write the file with `colorzoo weights convert`."
        )
    return model_card(name).name, path


def download_file(repository: str, name: str, *, revision: str | None, offline: bool) -> Path:
    """Download a file from the Hugging Face Hub, unless it is in the cache; return its local path.

    Args:
        repository: ``OWNER/NAME``.
        name: Name of the file in the repository.
        revision: Branch, tag or commit; None selects the main branch.
        offline: Whether to use only local files, as with ``COLORZOO_OFFLINE=1``.

    Raises:
        WeightsError: The file does not exist, or the Hub cannot be reached.
    """
    local = offline or is_offline()
    with _one_line(f"{HUB}{repository} cannot be downloaded"):
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(repository, name, revision=revision, local_files_only=local))


def upload_folder(folder: Path, repository: str, *, private: bool, message: str) -> str:
    """Upload the files of a folder to the Hugging Face Hub; return the URL of the repository.

    Args:
        folder: Folder with the files.
        repository: ``OWNER/NAME``; created if it does not exist.
        private: Whether a new repository is private.
        message: Commit message.

    Raises:
        WeightsError: The user is not logged in, the Hub cannot be reached, or ``COLORZOO_OFFLINE`` is set.
    """
    if is_offline():
        raise WeightsError(f"{repository} cannot be uploaded: COLORZOO_OFFLINE is set")
    with _one_line(f"{repository} cannot be uploaded"):
        from huggingface_hub import HfApi

        api = HfApi()
        url = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message=message)
        return str(url)


@contextmanager
def _one_line(problem: str) -> Iterator[None]:
    """Convert any error of ``huggingface_hub``, or its absence, to a `WeightsError`."""
    try:
        yield
    except ImportError as error:
        raise WeightsError(
            f"{problem}: the package {error.name} is missing. Run `python -m pip install 'colorzoo[hub]'`."
        ) from error
    except Exception as error:  # the errors of its HTTP client differ between versions
        raise WeightsError(f"{problem} ({first_words(error, 300)})") from error

"""One thread for all tests: the machine is shared, and a fork after threaded work can hang."""

import os

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """What colorzoo remembers of test pictures does not belong into the user's cache."""
    os.environ.setdefault("COLORZOO_HOME", str(tmp_path_factory.mktemp("home")))

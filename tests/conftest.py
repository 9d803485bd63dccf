"""One thread for all tests: the machine is shared, and a fork after threaded work can hang."""

import os

import pytest
import torch

torch.set_num_threads(1)
os.environ.setdefault(
    "SOURCE_DATE_EPOCH", "1767225600"
)  # results record their date; here it is always the same


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep files of the tests out of the user's cache."""
    os.environ.setdefault("COLORZOO_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(autouse=True)
def own_rendezvous():
    """Forget the port where processes of a test met.

    Lightning leaves it in the environment. A store of torch that listens there in this process would be
    used by the processes of the next test, with the addresses of those before.
    """
    yield
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(name, None)

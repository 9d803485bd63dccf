"""One thread for all tests: the machine is shared, and a fork after threaded work can hang."""

import torch

torch.set_num_threads(1)

"""Recording of layer outputs."""

from threading import Thread

import torch
from torch import nn

from colorzoo.networks.recording import layer_outputs


def test_layer_outputs_ignores_forward_passes_of_other_threads() -> None:
    model = nn.Sequential(nn.Identity())

    def run_in_two_threads() -> None:
        thread = Thread(target=model, args=(torch.ones(1),))
        thread.start()
        thread.join()
        model(torch.zeros(1))

    (output,) = layer_outputs(model, ("0",), run_in_two_threads)
    assert torch.equal(output, torch.zeros(1))

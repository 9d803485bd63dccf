"""Network of Zhang et al. 2016 against the authors' code, through the names of their checkpoint."""

import torch

from colorzoo.color import annealed_mean
from parity.cases import Golden, case
from parity.zhang2017 import published_model


@case("zhang2016")
@torch.inference_mode()
def zhang2016(golden: Golden) -> None:
    model = published_model(golden, "zhang2016")
    assert len(model.network.state_dict()) == golden.meta["n_keys"]
    prediction = model(golden.tensor("in_L"))
    golden.close("out_ab", prediction.ab)
    temperature, centers = model.network.temperature, model.network.centers
    logits = prediction.extras["logits"]
    golden.close("out_logits", logits / temperature)  # the authors' logits include the temperature
    golden.close("out_prob", torch.softmax(logits / temperature, dim=1))
    quarter = annealed_mean(logits, centers, temperature)
    golden.close("out_ab_quarter", quarter)

"""Networks of Zhang et al. 2017 against the authors' code, through the names of their checkpoint."""

import torch
from torch import Tensor

from colorzoo.factory import create_coloring_model
from colorzoo.guidance import GlobalStatistics, Guidance, Points
from colorzoo.model import ColoringModel
from parity.cases import Golden, case


def published_model(golden: Golden, name: str) -> ColoringModel:
    model = create_coloring_model(name, None)
    model.load_weights(golden.weights(), name="the authors' weights", published=True)
    return model.eval()


@case("zhang2017_local")
@torch.inference_mode()
def zhang2017_local(golden: Golden) -> None:
    lightness = golden.tensor("in_L")
    points = Points(golden.tensor("in_hint_ab"), golden.tensor("in_mask"))
    model = published_model(golden, "zhang2017_local")
    assert len(model.network.state_dict()) == golden.meta["n_keys"]
    hinted = model(lightness, Guidance(points=points))
    golden.close("out_ab", hinted.ab)
    golden.close("out_ab_nohint", model(lightness, Guidance()).ab)
    check_distribution(golden, hinted.extras["logits"])

    model.network.mask_center = 0.5  # as set by the constructor; building 34 M weights again is slow
    golden.close("out_ab_maskcent", model(lightness, Guidance(points=points)).ab)


def check_distribution(golden: Golden, logits: Tensor) -> None:
    golden.close_sampled("out_class_logits", logits)
    rows, columns = (golden.tensor("in_dist_yx").long() // 4).T
    golden.close("out_dist_at", torch.softmax(0.2 * logits[0, :, rows, columns].T, dim=1))


@case("zhang2017_global")
@torch.inference_mode()
def zhang2017_global(golden: Golden) -> None:
    model = published_model(golden, "zhang2017_global")
    assert len(model.network.state_dict()) == golden.meta["n_keys"]
    lightness, histogram = golden.tensor("in_L"), golden.tensor("in_hist")
    saturation = golden.tensor("in_sat")
    given = {
        "out_reg": GlobalStatistics(histogram, saturation),
        "out_reg_none": None,
        "out_reg_hist": GlobalStatistics(histogram=histogram),
        "out_reg_sat": GlobalStatistics(saturation=saturation),
    }
    for name, statistics in given.items():
        prediction = model(lightness, Guidance(statistics=statistics))
        golden.close(name, prediction.ab / model.network.ab_scale)
    vector = model.network.branch(given["out_reg"], len(lightness))
    golden.close("out_glob", vector[:, :, 0, 0])

"""Palettes against the limit of the authors' sampled clusters."""

from colorzoo.color import hull_centers
from colorzoo.inference.palette import weighted_clusters
from parity.cases import Golden, case


@case("palette")
def palette(golden: Golden) -> None:
    centers = hull_centers().double().numpy()
    for index, shares in enumerate(golden.tensor("in_dist").double().numpy()):
        means, masses = weighted_clusters(centers, shares / shares.sum(), golden.tensor("out_conf").shape[1])
        assert abs(means - golden.arrays["out_centers"][index]).max() < 0.1
        assert abs(masses - golden.arrays["out_conf"][index]).max() < 0.02

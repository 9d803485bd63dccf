"""Bai et al. 2022."""

from mutation import Mutant

TASK, NETWORK, MODEL = "zoo/bai2022/task.py", "zoo/bai2022/network.py", "zoo/bai2022/model.py"
ZOO = "tests/zoo/test_bai2022.py"
STEP = (f"{ZOO}::test_the_step_is_the_losses_written_out",)

MUTANTS = (
    Mutant(
        "sscn-weights-ignored",
        TASK,
        "weighted_sum(terms, self.objective)",
        "sum(terms.values())",
        STEP,
    ),
    Mutant(
        "sscn-references-not-bent",
        TASK,
        "for each in (rgb, copies)",
        "for each in (rgb, rgb)",
        STEP,
    ),
    Mutant(
        "sscn-rough-stage-not-trained",
        TASK,
        "F.smooth_l1_loss(found.rough, ab)",
        "F.smooth_l1_loss(found.ab, ab)",
        STEP,
    ),
    Mutant(
        "sscn-places-of-the-batch",
        TASK,
        'picture_generators(seeds, "places")',
        "torch.Generator().manual_seed(0)",
        STEP,
    ),
    Mutant(
        "sscn-least-telling-places",
        NETWORK,
        ".topk(self.important, dim=1)",
        ".topk(self.important, dim=1, largest=False)",
        (f"{ZOO}::test_the_telling_places_are_those_of_the_class",),
    ),
    Mutant(
        "sscn-places-repeat",
        MODEL,
        "torch.randperm(count, generator=one)[: self.architecture.scattered]",
        "torch.randint(count, (self.architecture.scattered,), generator=one)",
        (f"{ZOO}::test_places_by_chance_belong_to_the_picture_and_do_not_repeat",),
    ),
    Mutant(
        "sscn-all-places-alike",
        NETWORK,
        "places[:, None].expand(",
        "(0 * places[:, None]).expand(",
        (f"{ZOO}::test_only_chosen_places_are_carried_over",),
    ),
)

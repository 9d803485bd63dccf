"""DeOldify: network, losses, alternating updates, and post-processing."""

from mutation import Mutant

HERE = "zoo/antic2019"
STEP, ZOO = "tests/steps/test_antic2019.py", "tests/zoo/test_antic2019.py"

MUTANTS = (
    Mutant("antic2019-critic-not-halved", f"{HERE}/task.py", "return 0.5 * (", "return (", (STEP,)),
    Mutant("antic2019-layers-unweighted", f"{HERE}/task.py", "weight * F.l1_loss", "F.l1_loss", (STEP,)),
    Mutant("antic2019-another-layer", f"{HERE}/task.py", "(22, 32, 42)", "(22, 29, 42)", (STEP,)),
    Mutant(
        "antic2019-content-unweighted",
        f"{HERE}/task.py",
        "weigh.content_weight * content",
        "content",
        (STEP,),
    ),
    Mutant(
        "antic2019-generator-waits-for-no-critic",
        f"{HERE}/task.py",
        "float(mean) < self.objective.critic_threshold",
        "True",
        (STEP,),
    ),
    Mutant(
        "antic2019-turn-forgotten",
        f"{HERE}/task.py",
        "checkpoint[_TURN] = self.generators_turn",
        "checkpoint[_TURN] = False",
        (STEP,),
    ),
    Mutant("antic2019-sees-color", f"{HERE}/task.py", 'rgb_to_gray(batch["rgb"])', 'batch["rgb"]', (STEP,)),
    Mutant("antic2019-lightness-lost", f"{HERE}/model.py", "rgb + gray - rgb_to_gray(rgb)", "rgb", (ZOO,)),
    Mutant(
        "antic2019-last-block-whole", f"{HERE}/network.py", "joined // 2 if last", "joined if last", (ZOO,)
    ),
    Mutant(
        "antic2019-side-not-of-sixteens",
        f"{HERE}/model.py",
        "STRIDE * self.render_factor",
        "256",
        (ZOO,),
    ),
    Mutant(
        "antic2019-encoder-file-ignored",
        f"{HERE}/task.py",
        'load_torchvision(self.model.network.encoder, weights, f"the encoder ({kind})")',
        "str(weights)",
        (ZOO,),
    ),
)

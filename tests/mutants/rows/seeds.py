"""Randomness of epochs, pictures and runs; what is counted; Muon."""

from mutation import Mutant

SEEDS, MUON_TESTS = ("tests/training/test_seeds.py",), ("tests/training/test_muon.py",)
LOADER, DATASET, MODULE = "data/loader.py", "data/dataset.py", "data/module.py"
AUGMENT, AGING, POINTS = "data/augment.py", "data/aging.py", "simulation/points.py"
MUON, STEP_SEED = "training/muon.py", "training/callbacks/step_seed.py"

MUTANTS = (
    Mutant(
        "order-alike-in-epochs", LOADER, "self.seed * 1_000_003 + self.epoch", "self.seed * 1_000_003", SEEDS
    ),
    Mutant("seed-of-the-data-dropped", LOADER, "self.seed * 1_000_003 + self.epoch", "self.epoch", SEEDS),
    Mutant("validation-hints-by-epoch", LOADER, "epoch if self.shuffle else 0", "epoch", SEEDS),
    Mutant("no-epochs", LOADER, "epoch if self.shuffle else 0", "0", SEEDS),
    Mutant("seeds-alike-in-pictures", LOADER, "torch.randint(2**62,", "torch.randint(1,", SEEDS),
    Mutant(
        "training-forgets-its-seed",
        MODULE,
        "SeededSampler(len(data), seed=seed, weights=weights, seen",
        "SeededSampler(len(data), weights=weights, seen",
        SEEDS,
    ),
    Mutant(
        "validation-forgets-its-seed",
        MODULE,
        "SeededSampler(len(data), seed=self.hparams.seed, shuffle",
        "SeededSampler(len(data), shuffle",
        SEEDS,
    ),
    Mutant("augmentation-alike", MODULE, 'batch["seed"], "augment")', '0 * batch["seed"], "augment")', SEEDS),
    Mutant("run-ends-with-the-last-limit", MODULE, "return max(shares)", "return min(shares)", SEEDS),
    Mutant(
        "first-crops-by-epochs-alone",
        MODULE,
        "if trainer.max_steps > 0 else []",
        "if trainer.max_steps > 200 else []",
        SEEDS,
    ),
    Mutant(
        "squares-on-the-diagonal",
        DATASET,
        "int(place[1] * (free_columns",
        "int(place[0] * (free_columns",
        SEEDS,
    ),
    Mutant(
        "squares-miss-the-edge", DATASET, "place[1] * (free_columns + 1)", "place[1] * free_columns", SEEDS
    ),
    Mutant("squares-of-the-top", DATASET, "place[0] * (free_rows + 1)", "0 * place[0]", SEEDS),
    Mutant(
        "windows-on-the-diagonal",
        AUGMENT,
        "(2 * draws[:, 1:3] - 1)",
        "(2 * draws[:, 1:2] - 1).expand(-1, 2)",
        SEEDS,
    ),
    Mutant("windows-mirrored-by-place", AUGMENT, "draws[:, 3] < 0.5, -1.0", "draws[:, 2] < 0.5, -1.0", SEEDS),
    Mutant("hue-in-degrees", AUGMENT, "math.radians(degrees)", "degrees", SEEDS),
    Mutant("hue-not-turned-round", AUGMENT, "% (2 * math.pi)", "% math.pi", SEEDS),
    Mutant("jitter-of-all", AUGMENT, "(draws[:, :2] < 0.5)", "(draws[:, :2] < 1.5)", SEEDS),
    Mutant("saturation-by-value", AUGMENT, "tint * saturation * 30", "tint * value * 30", SEEDS),
    Mutant("contrast-of-all", AUGMENT, "0.2 * light * contrast", "0.2 * contrast", SEEDS),
    Mutant(
        "none-and-all-coincide",
        POINTS,
        "draws[:, 4] < simulation.none",
        "draws[:, 3] < simulation.none",
        SEEDS,
    ),
    Mutant(
        "all-is-revealed-by-the-other-draw",
        POINTS,
        "picture[:, 3] < simulation",
        "picture[:, 2] < simulation",
        SEEDS,
    ),
    Mutant(
        "more-pictures-aged", AGING, "draws.numpy()[:, 0] < share", "draws.numpy()[:, 0] < 2 * share", SEEDS
    ),
    Mutant("purposes-alike", "randomness.py", "(seed ^ salt)", "seed", SEEDS),
    Mutant("long-purposes-alike", "randomness.py", "hashlib.sha256(name)", "hashlib.sha256(name[:7])", SEEDS),
    Mutant("pictures-alike", "randomness.py", "(seed ^ salt)", "salt", SEEDS),
    Mutant(
        "pictures-of-one-process",
        "training/module.py",
        'len(batch["rgb"]) * self.trainer.world_size',
        'len(batch["rgb"])',
        SEEDS,
    ),
    Mutant("pictures-not-added", "training/module.py", "self.provenance.pictures + seen", "seen", SEEDS),
    Mutant("run-seed-dropped", "training/command.py", "StepSeed(int(seed or 0))", "StepSeed()", SEEDS),
    Mutant("step-seed-dropped", STEP_SEED, "(self.seed * _STRIDE + step)", "step", SEEDS),
    Mutant("steps-alike", STEP_SEED, "self.seed * _STRIDE + step)", "self.seed * _STRIDE)", SEEDS),
    Mutant(
        "averages-saved-as-trained",
        "training/callbacks/signal_checkpoint.py",
        "                _swap_back(trainer, pl_module)",
        "                pass",
        SEEDS,
    ),
    Mutant(
        "muon-without-nesterov",
        MUON,
        'torch.lerp(gradient, momentum, group["momentum"])',
        "momentum",
        MUON_TESTS,
    ),
    Mutant(
        "muon-nesterov-twice",
        MUON,
        "torch.lerp(gradient, momentum,",
        "torch.lerp(momentum, gradient,",
        MUON_TESTS,
    ),
    Mutant("muon-momentum-exchanged", MUON, '1 - group["momentum"])', 'group["momentum"])', MUON_TESTS),
    Mutant(
        "muon-factor",
        MUON,
        "_RMS * math.sqrt(found.numel())",
        "_RMS * math.sqrt(max(found.shape))",
        MUON_TESTS,
    ),
    Mutant("muon-rms", MUON, "_RMS = 0.2", "_RMS = 0.25", MUON_TESTS),
    Mutant(
        "muon-decay-not-by-rate",
        MUON,
        '1 - group["lr"] * group["weight_decay"]',
        '1 - group["weight_decay"]',
        MUON_TESTS,
    ),
    Mutant("muon-adam-uncorrected", MUON, 'state["mean"] / (1 - first**step)', 'state["mean"]', MUON_TESTS),
    Mutant(
        "muon-biases-decay",
        MUON,
        '{"params": factors, "weight_decay": 0.0}',
        '{"params": factors}',
        MUON_TESTS,
    ),
    Mutant("muon-all-iterations", MUON, "in _POLAR_EXPRESS[:steps]", "in _POLAR_EXPRESS", MUON_TESTS),
)

"""A small model of a training on many GPUs: what a step waits for, and what a schedule costs."""

from __future__ import annotations

from dataclasses import dataclass

_BYTES = 4  # of a float32: gradients, weights and Adam's two averages


@dataclass(frozen=True)
class Machine:
    """What a training runs on.

    Attributes:
        flops: Floating-point operations that one GPU really does in a second.
        cores: Processor cores beside each GPU.
        pictures: Pictures a second that one core reads, decodes and crops.
        link: Bytes a second that a GPU sends and receives at once while all of them exchange gradients.
        latency: Seconds of each of the 2 (n - 1) rounds of a ring.
        price: Cost of one GPU for an hour.
    """

    flops: float
    cores: float
    pictures: float
    link: float
    latency: float = 20e-6
    price: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """What a paper trains.

    Attributes:
        name: The model.
        work: Floating-point operations of a training step for one picture, backward included.
        trained: Parameters that get gradients.
        pictures: Pictures seen in the whole training.
        batch: Pictures of a step, over all GPUs.
    """

    name: str
    work: float
    trained: int
    pictures: float
    batch: int


@dataclass(frozen=True)
class Step:
    """The seconds of a step and of its parts.

    Attributes:
        compute: Forward and backward.
        reading: Until the batch's pictures are decoded, by all cores of a GPU; runs beside the step before.
        exchange: Until all GPUs hold the mean of the gradients.
        seconds: Of the whole step.
    """

    compute: float
    reading: float
    exchange: float
    seconds: float

    @property
    def efficiency(self) -> float:
        """Share of the step in which the GPU computes."""
        return self.compute / self.seconds


def exchange_seconds(trained: int, gpus: int, machine: Machine) -> float:
    """Return how long a ring takes to average gradients: each GPU sends and receives them about twice.

    Args:
        trained: Parameters with gradients.
        gpus: Processes.
        machine: Link and latency.
    """
    rounds = 2 * (gpus - 1)
    return rounds / gpus * _BYTES * trained / machine.link + rounds * machine.latency


def predict_step(work: float, trained: int, share: float, gpus: int, machine: Machine) -> Step:
    """Predict a step of DDP.

    Gradients travel while the rest of the backward pass, two thirds of the work, is still computed; what
    takes longer than that is waited for. Reading goes on beside all of it.

    Args:
        work: Operations of a picture.
        trained: Parameters with gradients.
        share: Pictures of a step on one GPU.
        gpus: Processes.
        machine: What they run on.
    """
    compute = share * work / machine.flops
    reading = share / (machine.cores * machine.pictures)
    exchange = exchange_seconds(trained, gpus, machine)
    seconds = max(compute + max(0.0, exchange - 2 / 3 * compute), reading)
    return Step(compute, reading, exchange, seconds)


def hours(schedule: Schedule, gpus: int, machine: Machine) -> float:
    """Return the hours of a whole training with the published batch, shared by ``gpus``.

    More GPUs than pictures in a batch cannot share it: then those that have one train, the others rest.
    """
    used = min(gpus, schedule.batch)
    step = predict_step(schedule.work, schedule.trained, schedule.batch / used, used, machine)
    return schedule.pictures / schedule.batch * step.seconds / 3600


def coloring_hours(pictures: float, work: float, core_seconds: float, gpus: int, machine: Machine) -> float:
    """Return the hours of coloring pictures that ``gpus`` share; they exchange nothing.

    Args:
        pictures: How many.
        work: Operations of the network for one of them.
        core_seconds: What reading, joining and writing one of them takes on a core.
        gpus: With their cores.
        machine: What they run on.
    """
    network = pictures * work / (machine.flops * gpus)
    cores = pictures * core_seconds / (machine.cores * gpus)
    return max(network, cores) / 3600


def checkpoint_bytes(trained: int, parameters: int) -> int:
    """Return the size of a checkpoint: all weights, and Adam's two averages of those that are trained."""
    return _BYTES * (parameters + 2 * trained)

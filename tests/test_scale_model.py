"""The model of a step: what it must say in cases that can be worked out by hand."""

import pytest
from benchmarks._scale_model import (
    Machine,
    Schedule,
    checkpoint_bytes,
    coloring_hours,
    exchange_seconds,
    hours,
    predict_step,
)

FAST = Machine(flops=1e12, cores=10, pictures=1e6, link=1e9, latency=0.0)


def test_one_gpu_exchanges_nothing_and_only_computes():
    step = predict_step(work=1e9, trained=10**6, share=8, gpus=1, machine=FAST)
    assert (step.exchange, step.efficiency) == (0, 1)
    assert step.seconds == pytest.approx(8e-3)


def test_a_ring_sends_and_receives_twice_the_gradients_less_its_own_part():
    assert exchange_seconds(250_000_000, 2, FAST) == pytest.approx(1.0)
    assert exchange_seconds(250_000_000, 100, FAST) == pytest.approx(1.98)
    slow = Machine(flops=1, cores=1, pictures=1, link=1e30, latency=1e-3)
    assert exchange_seconds(1, 5, slow) == pytest.approx(8e-3)


def test_what_hides_behind_the_backward_pass_costs_nothing():
    hidden = predict_step(work=1e12, trained=10**6, share=1, gpus=8, machine=FAST)
    assert hidden.efficiency == 1
    waited = predict_step(work=1e9, trained=10**9, share=1, gpus=8, machine=FAST)
    assert waited.seconds == pytest.approx(1e-3 + waited.exchange - 2e-3 / 3)


def test_a_step_waits_for_its_pictures():
    starved = Machine(flops=1e12, cores=2, pictures=5.0, link=1e9)
    step = predict_step(work=1e9, trained=1, share=20, gpus=1, machine=starved)
    assert step.seconds == step.reading == pytest.approx(2.0)


def test_more_gpus_than_pictures_in_a_batch_do_not_help():
    plan = Schedule("any", work=3.6e12, trained=1, pictures=1000, batch=10)
    assert hours(plan, 1, FAST) == pytest.approx(1.0)
    assert hours(plan, 10, FAST) == pytest.approx(0.1)
    assert hours(plan, 512, FAST) == hours(plan, 10, FAST)


def test_coloring_takes_what_the_slower_of_network_and_cores_takes():
    assert coloring_hours(3600, work=2e12, core_seconds=1.0, gpus=1, machine=FAST) == pytest.approx(2.0)
    assert coloring_hours(3600, work=2e12, core_seconds=50.0, gpus=2, machine=FAST) == pytest.approx(2.5)


def test_a_checkpoint_holds_the_weights_and_two_averages_of_what_is_trained():
    assert checkpoint_bytes(trained=100, parameters=150) == 4 * 350

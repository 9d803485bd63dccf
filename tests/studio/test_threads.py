"""The number of threads follows what proves faster."""

from colorzoo.studio.threads import ThreadChooser

IDLE = {1: (90.0, 88.0), 4: (30.0, 29.0)}
BUSY = {1: (400.0, 88.0), 4: (5000.0, 600.0)}
NEIGHBOR = {1: (90.0, 88.0), 4: (180.0, 90.0)}  # one core is free, another is not


def play(chooser: ThreadChooser, cost: dict[int, tuple[float, float]], rounds: int) -> list[int]:
    chosen = []
    for _ in range(rounds):
        chosen.append(chooser.choose())
        chooser.note(chosen[-1], *cost[chosen[-1]])
    return chosen


def test_an_idle_machine_gets_all_threads_and_a_busy_one_a_single_thread() -> None:
    chooser = ThreadChooser(4)
    assert play(chooser, BUSY, 20) == [1] * 20
    assert play(chooser, IDLE, 20) == [1] + [4] * 19
    assert play(chooser, BUSY, 20) == [4] + [1] * 19
    assert play(chooser, IDLE, 40)[-10:] == [4] * 10


def test_what_has_lost_is_tried_ever_less_often() -> None:
    assert play(ThreadChooser(4), NEIGHBOR, 400).count(4) <= 6


def test_one_core_has_no_choice() -> None:
    assert set(play(ThreadChooser(1), {1: (5.0, 5.0)}, 30)) == {1}

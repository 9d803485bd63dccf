"""The number of threads follows what proves faster."""

from colorzoo.studio.threads import ThreadChooser


def play(chooser: ThreadChooser, cost: dict[int, float], rounds: int) -> list[int]:
    chosen = []
    for _ in range(rounds):
        chosen.append(chooser.choose())
        chooser.note(chosen[-1], cost[chosen[-1]])
    return chosen


def test_the_faster_number_is_taken_and_the_other_tried_again() -> None:
    chooser = ThreadChooser(4)
    idle = play(chooser, {4: 30.0, 1: 90.0}, 100)
    assert idle[:2] == [4, 1]
    assert idle.count(4) > 90
    assert idle.count(1) >= 4
    busy = play(chooser, {4: 900.0, 1: 100.0}, 100)
    assert busy.count(1) > 90


def test_one_core_has_no_choice() -> None:
    assert set(play(ThreadChooser(1), {1: 5.0}, 30)) == {1}

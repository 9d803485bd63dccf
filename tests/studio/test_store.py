"""What the server keeps: for a while, within a bound, and for its owner alone."""

from dataclasses import replace

import pytest
from pads import photo_file

from colorzoo.studio.errors import StudioError
from colorzoo.studio.files import Shelf
from colorzoo.studio.limits import Limits
from colorzoo.studio.photo import Photo, open_photo, plain_name
from colorzoo.studio.session import SessionStore


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_photo() -> Photo:
    return open_photo(photo_file(), "old.png", Limits(), 64)


def test_an_idle_session_is_forgotten(clock: Clock) -> None:
    gone: list[str] = []
    store = SessionStore(Limits(idle_seconds=60), clock, gone.append)
    idle, busy = store.new(), store.new()
    clock.now = 50
    assert store.find(busy.id) is busy
    clock.now = 100
    assert store.find(busy.id) is busy
    assert store.find(idle.id) is None
    assert gone == [idle.id]
    with pytest.raises(StudioError, match="idle"):
        store.use(idle)


def test_the_longest_unused_session_makes_room() -> None:
    store = SessionStore(Limits(sessions=2))
    first, second = store.new(), store.new()
    store.find(first.id)
    third = store.new()
    assert [store.find(s.id) is s for s in (first, second, third)] == [True, False, True]


def test_photos_go_when_memory_is_short_but_never_the_one_in_use() -> None:
    photo = a_photo()
    store = SessionStore(Limits(memory_bytes=int(photo.nbytes * 2.5)))
    sessions = [store.new() for _ in range(3)]
    for session in sessions:
        session.place(photo)
        store.find(session.id)
    store.sweep()
    assert [session.photo is None for session in sessions] == [True, False, False]
    assert store.nbytes <= photo.nbytes * 2.5


def test_no_two_sessions_share_an_id_and_a_guess_finds_nothing() -> None:
    store = SessionStore(Limits(sessions=300))
    assert len({store.new().id for _ in range(200)}) == 200
    assert all(store.find(guess) is None for guess in (None, "", "0", "../x", "a" * 10_000))


def test_a_file_is_for_its_owner_once(clock: Clock) -> None:
    shelf = Shelf(10, 1000, clock=clock)
    key = shelf.put(b"abc", "a.png", "me")
    with pytest.raises(StudioError):
        shelf.take(key, "you")
    assert shelf.take(key, "me").data == b"abc"
    with pytest.raises(StudioError):
        shelf.take(key, "me")
    assert shelf.nbytes == 0


def test_files_expire_and_the_shelf_is_bounded(clock: Clock) -> None:
    shelf = Shelf(10, 1000, clock=clock)
    old = shelf.put(b"x" * 600, "old", "a")
    shelf.put(b"x" * 600, "new", "b")
    with pytest.raises(StudioError):
        shelf.take(old, "a")
    for number in range(9):
        shelf.put(b"y", f"{number}", "c")
    assert shelf.nbytes == 600 + 4
    start = shelf.put(b"z", "start", None)
    clock.now = 11
    assert shelf.take(start, "anybody").data == b"z"
    assert shelf.nbytes == 1


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("old.jpg", "old.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\old.jpg", "old.jpg"),
        ("a\r\nSet-Cookie: b.png", "a__Set-Cookie_ b.png"),
        ("..", "picture"),
        ("", "picture"),
        ("年賀状 1908.jpg", "年賀状 1908.jpg"),
    ],
)
def test_names_lose_folders_and_control_characters(given: str, plain: str) -> None:
    assert plain_name(given) == plain
    assert len(plain_name(given * 300)) <= 120


def test_a_photo_keeps_what_edits_need_and_no_full_pixels() -> None:
    photo = open_photo(photo_file(900, 1500), "big.png", replace(Limits(), view_side=300), 64)
    assert (photo.size, photo.view) == ((900, 1500), (180, 300))
    assert {size: tuple(m.shape[2:]) for size, m in photo.small.items()} == {64: (107, 64)}
    assert photo.nbytes < 900 * 1500 * 4


def test_the_session_of_a_pad_that_is_there_never_goes(clock: Clock) -> None:
    store = SessionStore(Limits(idle_seconds=60, sessions=2), clock)
    here, away = store.new(), store.new()
    here.connected = True
    here.place(a_photo())
    clock.now = 100
    store.sweep()
    assert store.find(here.id) is here
    assert here.photo is None  # the pad sends it again when it goes on
    assert store.find(away.id) is None


def test_pads_that_are_there_are_not_turned_out_by_others() -> None:
    store = SessionStore(Limits(sessions=2))
    first, second = store.new(), store.new()
    first.connected = True
    third = store.new()  # in place of the one without a pad
    third.connected = True
    assert [store.find(s.id) is s for s in (first, second, third)] == [True, False, True]
    with pytest.raises(StudioError, match="2 pads are open here"):
        store.new()
    assert store.find(first.id) is first

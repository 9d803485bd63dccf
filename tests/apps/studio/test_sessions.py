"""Sessions and their files: expiry, limits, ownership."""

from dataclasses import replace

import pytest
from pads import photo_file

from colorzoo.apps.studio.opened_image import OpenedImage, open_upload, safe_name
from colorzoo.apps.studio.protocol import Limits, StudioError
from colorzoo.apps.studio.sessions import Session, SessionStore


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened_image() -> OpenedImage:
    return open_upload(photo_file(), "old.png", Limits(), 64)


def test_idle_sessions_expire(clock: Clock) -> None:
    removed: list[str] = []
    store = SessionStore(Limits(idle_seconds=60), clock, removed.append)
    idle, busy = store.new(), store.new()
    clock.now = 50
    assert store.find(busy.id) is busy
    clock.now = 100
    assert store.find(busy.id) is busy
    assert store.find(idle.id) is None
    assert removed == [idle.id]
    with pytest.raises(StudioError, match="expired"):
        store.require(idle.id)
    store.close()
    assert removed == [idle.id, busy.id]
    assert store.find(busy.id) is None


def test_session_store_drops_images_above_the_memory_limit() -> None:
    photo = opened_image()
    store = SessionStore(Limits(memory_bytes=int(photo.nbytes * 2.5)))
    sessions = [store.new() for _ in range(3)]
    for session in sessions:
        session.set_opened(photo)
        store.find(session.id)
    store.remove_expired()
    assert [session.opened is None for session in sessions] == [True, False, False]
    assert sum(session.nbytes for session in sessions) <= photo.nbytes * 2.5


def test_session_ids_are_unique_and_secret() -> None:
    store = SessionStore(Limits(sessions=300))
    ids = {store.new().id for _ in range(200)}
    assert (len(ids), {len(each) for each in ids}) == (200, {32})  # 192 bits
    assert all(store.find(guess) is None for guess in (None, "", "0", "../x", "a" * 10_000))


def test_session_files_are_limited_and_removed_on_release() -> None:
    session, other = Session("a"), Session("b")
    keys = [session.add_file(bytes(10), f"{number}") for number in range(6)]
    assert session.nbytes == 40
    assert session.file(keys[-1], drop=True).name == "5"
    for key in (keys[-1], keys[0], "guess", None):
        with pytest.raises(StudioError):
            session.file(key)
    with pytest.raises(StudioError):
        other.file(keys[3])  # file of another session
    assert {len(key) for key in keys} == {32}  # 192 bits
    session.release()
    assert session.nbytes == 0


def test_safe_name_removes_paths_and_control_characters() -> None:
    for given, plain in [
        ("old.jpg", "old.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\old.jpg", "old.jpg"),
        ("a\r\nSet-Cookie: b.png", "a__Set-Cookie_ b.png"),
        ("..", "image"),
        ("", "image"),
        ("年賀状 1908.jpg", "年賀状 1908.jpg"),
    ]:
        assert safe_name(given) == plain


def test_opened_image_stores_no_full_size_pixels() -> None:
    photo = open_upload(photo_file(900, 1500), "big.png", replace(Limits(), view_side=300), 64)
    assert (photo.size, photo.view) == ((900, 1500), (180, 300))
    assert {size: tuple(m.shape[2:]) for size, m in photo.network_lightnesses.items()} == {64: (107, 64)}
    assert photo.nbytes < 900 * 1500 * 4
    assert open_upload(photo_file(2000, 40), "wide.png", Limits(), 32).view == (1024, 20)


def test_connected_sessions_never_expire(clock: Clock) -> None:
    store = SessionStore(Limits(idle_seconds=60, sessions=2), clock)
    here, away = store.new(), store.new()
    here.connected = True
    here.set_opened(opened_image())
    clock.now = 100
    store.remove_expired()
    assert store.find(here.id) is here
    assert here.opened is None  # the pad uploads the image again when needed
    assert store.find(away.id) is None


def test_connected_sessions_are_never_replaced() -> None:
    store = SessionStore(Limits(sessions=2))
    first, second = store.new(), store.new()
    first.connected = True
    third = store.new()  # replaces the disconnected session
    third.connected = True
    assert [store.find(s.id) is s for s in (first, second, third)] == [True, False, True]
    with pytest.raises(StudioError, match="at most 2"):
        store.new()
    assert store.find(first.id) is first

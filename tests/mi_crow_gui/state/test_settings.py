from __future__ import annotations

import pytest

from mi_crow_gui.document.folders import config_folder
from mi_crow_gui.state.settings import RECENT_LIMIT, Settings


@pytest.fixture
def path(tmp_path):
    return tmp_path / "settings.ini"


def reopened(settings: Settings) -> Settings:
    """What the next start of the program reads."""
    settings.save()
    return Settings(settings.path)


def test_every_kind_of_value_comes_back_as_it_was(path):
    settings = Settings(path)
    texts = ["one, with comma", 'quoted "two"', "três;=\n", ""]
    settings.set_flag("a/yes", True)
    settings.set_flag("a/no", False)
    settings.set_whole("a/number", -7)
    settings.set_text("a/text", texts[0])
    settings.set_texts("a/texts", texts)
    settings.set_texts("a/one", texts[:1])
    settings.set_texts("a/none", [])
    settings.set_blob("a/bytes", bytes(range(256)))
    again = reopened(settings)
    assert again.flag("a/yes", False) is True
    assert again.flag("a/no", True) is False
    assert again.whole("a/number") == -7
    assert again.text("a/text") == texts[0]
    assert again.texts("a/texts") == tuple(texts)
    assert again.texts("a/one") == tuple(texts[:1])
    assert again.texts("a/none") == ()
    assert again.blob("a/bytes") == bytes(range(256))


def test_what_was_never_set_has_its_default(path):
    settings = Settings(path)
    assert settings.flag("a", True) is True
    assert settings.whole("a", 3) == 3
    assert settings.text("a", "default") == "default"
    assert settings.texts("a") == ()
    assert settings.blob("a") == b""
    assert (settings.theme, settings.docks_locked, settings.torch_threads) == ("system", True, 0)
    assert (settings.window_geometry, settings.window_state) == (b"", b"")


def test_named_settings_come_back(path):
    settings = Settings(path)
    settings.theme = "dark"
    settings.docks_locked = False
    settings.torch_threads = 3
    settings.window_geometry = b"\x01geometry"
    settings.window_state = b"\x02state"
    again = reopened(settings)
    assert (again.theme, again.docks_locked, again.torch_threads) == ("dark", False, 3)
    assert (again.window_geometry, again.window_state) == (b"\x01geometry", b"\x02state")


@pytest.mark.parametrize("value", ["maybe", "1, 2", "[1", "{}", "[[]]", "@Variant(\\0\\0\\0)", "@Rect(1 2 3 4)", "é"])
def test_what_somebody_wrote_into_the_file_does_no_harm(path, value):
    path.write_text(f"[window]\ntheme={value}\ngeometry={value}\ndocks_locked={value}\n[recent]\nmodels={value}\n")
    settings = Settings(path)
    assert settings.theme == "system"
    assert settings.docks_locked is True
    assert settings.window_geometry == b""
    assert settings.recent("models") == ()
    assert settings.whole("window/docks_locked", 5) == 5


def test_a_damaged_file_is_read_as_empty_and_written_anew(path):
    path.write_bytes(b"\x00\xff[[[\n=\x80\n" * 50)
    settings = Settings(path)
    assert settings.theme == "system"
    settings.theme = "light"
    assert reopened(settings).theme == "light"


def test_fresh_forgets_how_the_window_was_and_remembers_from_then_on(path):
    settings = Settings(path)
    settings.theme = "dark"
    settings.window_geometry = b"off screen"
    settings.save()
    fresh = Settings(path, fresh=True)
    assert (fresh.theme, fresh.window_geometry) == ("system", b"")
    fresh.docks_locked = False
    again = reopened(fresh)
    assert (again.theme, again.docks_locked) == ("system", False)


def test_fresh_lists_no_captures_of_before_and_loses_none(path):
    settings = Settings(path)
    for name in ("/a", "/b"):
        settings.add_capture(name)
    settings.capture_folders = ["/old"]
    settings.save()
    fresh = Settings(path, fresh=True)
    assert (fresh.captures, fresh.capture_folders) == ((), ())
    fresh.add_capture("/new")
    fresh.add_capture("/a")  # opened again, so it is of this session
    fresh.capture_folders = [*fresh.capture_folders, "/mine"]
    assert (fresh.captures, fresh.capture_folders) == (("/a", "/new"), ("/mine",))
    fresh.remove_capture("/new")
    assert fresh.captures == ("/a",)
    again = reopened(fresh)
    assert (again.captures, again.capture_folders) == (("/a", "/b"), ("/old", "/mine"))


def test_recent_names_have_the_latest_first_once_and_are_few(path):
    settings = Settings(path)
    for number in range(RECENT_LIMIT + 3):
        settings.add_recent("models", f"model {number}")
    settings.add_recent("models", "model 5")
    settings.add_recent("sessions", "mine.microw")
    again = reopened(settings)
    assert again.recent("models")[:2] == ("model 5", f"model {RECENT_LIMIT + 2}")
    assert len(set(again.recent("models"))) == len(again.recent("models")) == RECENT_LIMIT
    assert again.recent("sessions") == ("mine.microw",)
    again.remove_recent("sessions", "mine.microw")
    assert again.recent("sessions") == ()


def test_settings_lie_in_the_users_configuration_folder():
    assert Settings().path == config_folder() / "settings.ini"

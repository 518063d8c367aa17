"""The texts of the current forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core_hooks.language_model.input_tracker import InputTracker

if TYPE_CHECKING:
    from core_hooks.language_model.language_model import LanguageModel


def test_there_is_no_tracker_until_one_is_created(lm: LanguageModel) -> None:
    assert lm.get_input_tracker() is None
    tracker = lm.ensure_input_tracker()
    assert lm.get_input_tracker() is tracker is lm.ensure_input_tracker()
    assert tracker.language_model is lm


def test_a_tracker_that_is_created_by_hand_becomes_the_models(lm: LanguageModel) -> None:
    tracker = InputTracker(lm)
    assert lm.get_input_tracker() is tracker


def test_it_is_off_by_default_and_ignores_texts_then(lm: LanguageModel) -> None:
    tracker = InputTracker(lm)
    assert tracker.enabled is False
    tracker.set_current_texts(["a"])
    assert tracker.get_current_texts() == []


def test_it_keeps_copies_in_both_directions(lm: LanguageModel) -> None:
    tracker = InputTracker(lm)
    tracker.enable()
    texts = ["a", "b"]
    tracker.set_current_texts(texts)
    texts.append("c")
    tracker.get_current_texts().append("d")
    assert tracker.get_current_texts() == ["a", "b"]


def test_disabling_keeps_what_is_there_and_reset_drops_it(lm: LanguageModel) -> None:
    tracker = InputTracker(lm)
    tracker.enable()
    tracker.set_current_texts(["a"])
    tracker.disable()
    tracker.set_current_texts(["b"])
    assert tracker.get_current_texts() == ["a"]
    tracker.reset()
    assert tracker.get_current_texts() == []


def test_inference_tells_an_enabled_tracker_of_its_texts(lm: LanguageModel) -> None:
    tracker = lm.ensure_input_tracker()
    lm.inference.execute_inference(["the cat"])
    assert tracker.get_current_texts() == []
    tracker.enable()
    lm.inference.execute_inference(["the dog"])
    assert tracker.get_current_texts() == ["the dog"]

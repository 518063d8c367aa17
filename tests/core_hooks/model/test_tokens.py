from __future__ import annotations

from core_hooks.model.tokens import TokenSequence, TokenStep


def test_generated_tokens_follow_a_prompt_and_none_of_them_is_special() -> None:
    prompt = TokenSequence((0, 5), ("<bos>", "Once"), (True, False))
    steps = [TokenStep(0, 2, 7, " upon", 0.9), TokenStep(1, 3, 9, " a", 0.8)]
    assert prompt.followed_by(steps) == TokenSequence(
        (0, 5, 7, 9), ("<bos>", "Once", " upon", " a"), (True, False, False, False)
    )
    assert prompt.followed_by(iter(steps)) == prompt.followed_by(steps)
    assert prompt.followed_by(()) == prompt

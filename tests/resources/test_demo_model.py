"""The shipped demo model does what its card says, measured here with plain torch hooks and nothing of the project's."""

import hashlib
import importlib
import json
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerBase

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "demo_model"
BLOCKS = HEADS = 4
HEAD_WIDTH = 32
RUN = 20

Head = tuple[int, int]


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    return AutoModelForCausalLM.from_pretrained(FOLDER, attn_implementation="eager").eval()


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def word_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    special = set(tokenizer.all_special_ids)
    return [index for index in range(len(tokenizer)) if index not in special]


@pytest.fixture(scope="module")
def source() -> Iterator[dict[str, ModuleType]]:
    """The model's own scripts, which import one another by plain name because they run from their folder."""
    sys.path.insert(0, str(FOLDER))
    names = ("demo_words", "demo_text", "train")
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(FOLDER))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return json.loads((FOLDER / "circuit.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows(word_ids: list[int]) -> torch.Tensor:
    """128 rows of 20 distinct words from the whole vocabulary, said twice."""
    rng = random.Random("held out rows of the test")
    return torch.tensor([rng.sample(word_ids, RUN) * 2 for _ in range(128)])


@pytest.fixture(scope="module")
def patterns(model: GPT2LMHeadModel, rows: torch.Tensor) -> torch.Tensor:
    """Attention of every head from the second copy: (block, row, head, query, key), caught by plain hooks."""
    caught: dict[int, torch.Tensor] = {}

    def catch(block: int, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        caught[block] = output[1]

    with ExitStack() as stack, torch.no_grad():
        for block, module in enumerate(model.transformer.h):
            handle = module.attn.register_forward_hook(lambda _m, _i, output, block=block: catch(block, output))
            stack.callback(handle.remove)
        model(rows)
    return torch.stack([caught[block] for block in range(BLOCKS)])[..., RUN:, :]


@contextmanager
def cut(model: GPT2LMHeadModel, heads: Iterable[Head]) -> Iterator[None]:
    masks = torch.ones(BLOCKS, HEADS * HEAD_WIDTH)
    for block, head in heads:
        masks[block, head * HEAD_WIDTH : (head + 1) * HEAD_WIDTH] = 0
    with ExitStack() as stack:
        for module, mask in zip(model.transformer.h, masks, strict=True):
            handle = module.attn.c_proj.register_forward_pre_hook(lambda _m, inputs, mask=mask: (inputs[0] * mask,))
            stack.callback(handle.remove)
        yield


@torch.no_grad()
def second_copy_loss(model: GPT2LMHeadModel, rows: torch.Tensor) -> float:
    scores = model(rows).logits.log_softmax(-1)
    period = rows.shape[1] // 2
    told = [scores[:, place - 1].gather(1, rows[:, place, None]) for place in range(period + 1, 2 * period)]
    return -torch.cat(told).mean().item()


@torch.no_grad()
def guesses(model: GPT2LMHeadModel, rows: torch.Tensor) -> torch.Tensor:
    return model(rows).logits.argmax(-1)


def circuit_of(card: dict[str, Any]) -> tuple[list[Head], list[Head]]:
    roles = card["induction_heads"], card["previous_token_heads"]
    induction, previous = ([(block, head) for block, head in heads] for heads in roles)
    return induction, previous


def test_the_folder_holds_a_small_gpt2_that_opens_with_the_plain_auto_classes(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    config = model.config
    assert (config.model_type, config.n_layer, config.n_head, config.n_embd) == ("gpt2", BLOCKS, HEADS, 128)
    assert config.n_positions == tokenizer.model_max_length == 128
    assert config.vocab_size == len(tokenizer)
    assert 500_000 <= sum(parameter.numel() for parameter in model.parameters()) <= 700_000
    assert model.lm_head.weight is model.transformer.wte.weight
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert (FOLDER / "model.safetensors").stat().st_size <= 3_000_000


def test_text_comes_back_from_the_tokenizer_word_by_word(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = tokenizer("When Mary and John went to the store, John gave a zeppelin to Mary.").input_ids
    assert tokenizer.decode(ids) == "When Mary and John went to the store , John gave a <|unknown|> to Mary ."
    assert len(ids) == 16
    assert tokenizer.unk_token_id in ids


def test_the_second_copy_of_random_words_is_guessed(model: GPT2LMHeadModel, rows: torch.Tensor) -> None:
    right = guesses(model, rows)[:, RUN:-1] == rows[:, RUN + 1 :]
    assert right.float().mean() >= 0.99


@pytest.mark.parametrize(("before", "length"), [(0, 5), (0, 10), (0, 40), (0, 64), (30, 20), (88, 20), (60, 30)])
def test_copying_works_for_other_lengths_and_anywhere_in_the_context(
    model: GPT2LMHeadModel, word_ids: list[int], before: int, length: int
) -> None:
    rng = random.Random(f"{before} {length}")
    drawn = [rng.sample(word_ids, before + length) for _ in range(32)]
    rows = torch.tensor([words + words[before:] for words in drawn])
    start = before + length
    right = guesses(model, rows)[:, start:-1] == rows[:, start + 1 :]
    assert right.float().mean() >= 0.98


def test_copying_works_behind_a_start_token_too(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, rows: torch.Tensor
) -> None:
    rows = torch.cat([torch.full((len(rows), 1), tokenizer.bos_token_id), rows], dim=1)
    right = guesses(model, rows)[:, RUN + 1 : -1] == rows[:, RUN + 2 :]
    assert right.float().mean() >= 0.99


def test_an_induction_head_reads_what_a_previous_token_head_in_an_earlier_block_wrote(
    patterns: torch.Tensor, card: dict[str, Any]
) -> None:
    places = torch.arange(RUN)
    induction = patterns[..., places, places + 1].mean(dim=(1, 3))
    previous = patterns[..., places, places + RUN - 1].mean(dim=(1, 3))
    induction_heads, previous_heads = circuit_of(card)
    strongest_block, strongest_head = induction_heads[0]
    assert induction[strongest_block, strongest_head] == induction.max() >= 0.8
    assert max(previous[block, head] for block, head in previous_heads if block < strongest_block) >= 0.8


def test_zeroing_the_induction_heads_breaks_the_copying(
    model: GPT2LMHeadModel, rows: torch.Tensor, card: dict[str, Any]
) -> None:
    induction_heads, _ = circuit_of(card)
    whole = second_copy_loss(model, rows)
    with cut(model, induction_heads):
        broken = second_copy_loss(model, rows)
    assert broken - whole >= 5
    assert second_copy_loss(model, rows) == whole


def test_zeroing_a_head_outside_the_circuit_hardly_matters(
    model: GPT2LMHeadModel, rows: torch.Tensor, card: dict[str, Any]
) -> None:
    induction_heads, previous_heads = circuit_of(card)
    outside = {(block, head) for block in range(BLOCKS) for head in range(HEADS)} - {*induction_heads, *previous_heads}
    assert len(outside) >= 10
    whole = second_copy_loss(model, rows)
    added = {}
    for head in outside:
        with cut(model, [head]):
            added[head] = second_copy_loss(model, rows) - whole
    assert {head: loss for head, loss in added.items() if loss >= 0.1} == {}


def test_the_right_name_ends_sentences_that_training_never_saw(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, source: dict[str, ModuleType]
) -> None:
    sentences = list(source["demo_text"].held_out_sentences(500, seed=7))
    encoded = [tokenizer(sentence.prompt).input_ids for sentence in sentences]
    last = torch.tensor([len(ids) - 1 for ids in encoded])
    # Filled up on the right, where a causal model does not look.
    padded = torch.tensor([ids + [0] * (int(last.max()) + 1 - len(ids)) for ids in encoded])
    said = guesses(model, padded)[torch.arange(500), last]
    wanted = torch.tensor([tokenizer.convert_tokens_to_ids(sentence.receiver) for sentence in sentences])
    assert (said == wanted).float().mean() >= 0.98


def test_the_people_of_the_unseen_sentences_never_meet_in_training(source: dict[str, ModuleType]) -> None:
    demo_text, rng = source["demo_text"], random.Random(0)
    unseen = {frozenset((s.receiver, s.giver)) for s in demo_text.held_out_sentences(500, seed=7)}
    seen = {frozenset((s.receiver, s.giver)) for s in (demo_text.two_people_sentence(rng) for _ in range(20_000))}
    assert len(unseen) > 300
    assert not unseen & seen


def test_the_card_tells_the_numbers_of_the_shipped_weights(
    model: GPT2LMHeadModel, rows: torch.Tensor, patterns: torch.Tensor, card: dict[str, Any]
) -> None:
    places = torch.arange(RUN)
    induction = patterns[..., places, places + 1].mean(dim=(1, 3))
    previous = patterns[..., places, places + RUN - 1].mean(dim=(1, 3))
    torch.testing.assert_close(induction, torch.tensor(card["induction_scores"]), atol=0.03, rtol=0)
    torch.testing.assert_close(previous, torch.tensor(card["previous_token_scores"]), atol=0.03, rtol=0)


def test_the_card_says_how_the_shipped_weights_were_made() -> None:
    made = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"seed {made['seed']}, {made['steps']:,} steps" in readme
    assert hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest() == made["weights_sha256"]


def test_training_twice_from_one_seed_gives_the_same_weights(source: dict[str, ModuleType]) -> None:
    train = source["train"].train
    first, second, other = (train(seed, steps=2, log_every=0).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
    assert not torch.equal(first["transformer.wte.weight"], other["transformer.wte.weight"])


def test_the_example_prompts_are_in_the_vocabulary_and_do_what_they_promise(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    prompts = json.loads((FOLDER / "prompts.json").read_text(encoding="utf-8"))
    assert all(prompt.keys() == {"name", "text", "look_for"} for prompt in prompts)
    ids = {prompt["name"]: tokenizer(prompt["text"], return_tensors="pt").input_ids for prompt in prompts}
    assert all(tokenizer.unk_token_id not in row for row in ids.values())

    twice = ids["Random words, said twice"]
    half = twice.shape[1] // 2
    assert torch.equal(twice[0, :half], twice[0, half:])
    assert torch.equal(guesses(model, twice)[0, half:-1], twice[0, half + 1 :])

    begun = ids["Random words, to be continued"]
    written = model.generate(begun, attention_mask=torch.ones_like(begun), max_new_tokens=9, do_sample=False)
    assert torch.equal(written[0, -9:], begun[0, 2:11])

    for name, answer in (("Who gets the drink?", "Mary"), ("Who gets the drink, the other way round", "John")):
        assert tokenizer.decode(guesses(model, ids[name])[0, -1:]) == answer

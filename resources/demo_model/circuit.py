"""Find the induction circuit of the demo model, cut it, and write what was measured to `circuit.json`.

    python resources/demo_model/circuit.py

The two scores are those of Olsson et al., "In-context Learning and Induction Heads" (2022): how much a head looks at
the word after the first mention of the word at hand, and how much it looks at the word just before it.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from demo_text import held_out_sentences
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

Head = tuple[int, int]  # block and head, both counted from 0

FIRST_WORD_ID = 2  # after the two special tokens
RUN_LENGTH = 20
ROWS = 256
SENTENCES = 500
SEED = 2026
# A head plays a part when it gives it at least this share of its attention, averaged over words and rows.
LEAST_SHARE = 0.3


def repeated_rows(vocabulary_size: int, count: int = ROWS, length: int = RUN_LENGTH, seed: int = SEED) -> torch.Tensor:
    """Draw rows of `length` distinct words said twice, int64 of shape (count, 2 * length)."""
    generator = torch.Generator().manual_seed(seed)
    runs = torch.stack(
        [torch.randperm(vocabulary_size - FIRST_WORD_ID, generator=generator)[:length] for _ in range(count)]
    )
    return (runs + FIRST_WORD_ID).repeat(1, 2)


@torch.no_grad()
def attention_scores(model: PreTrainedModel, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean attention from the second copy to the induction target and to the previous word, each (blocks, heads)."""
    length = rows.shape[1] // 2
    queries = torch.arange(length, 2 * length)
    attentions = torch.stack(model(rows, output_attentions=True).attentions)  # block, row, head, query, key
    induction = attentions[..., queries, queries - length + 1].mean(dim=(1, 3))
    previous = attentions[..., queries, queries - 1].mean(dim=(1, 3))
    return induction, previous


@torch.no_grad()
def second_copy(model: PreTrainedModel, rows: torch.Tensor) -> tuple[float, float]:
    """Loss in nats per word, and accuracy, on the words of the second copy that the first one gives away."""
    length = rows.shape[1] // 2
    logits = model(rows).logits[:, length:-1]
    answers = rows[:, length + 1 :]
    loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), answers).item()
    return loss, (logits.argmax(-1) == answers).float().mean().item()


@contextmanager
def zeroed(model: PreTrainedModel, heads: Iterable[Head]) -> Iterator[None]:
    """Zero what these heads hand to the output projection of their attention, for as long as the block lasts."""
    width = model.config.n_embd // model.config.n_head
    with ExitStack() as stack:
        for block, head in heads:
            channels = slice(head * width, (head + 1) * width)

            def zero(
                _: torch.nn.Module, inputs: tuple[torch.Tensor, ...], channels: slice = channels
            ) -> tuple[Any, ...]:
                cut = inputs[0].clone()
                cut[..., channels] = 0
                return (cut, *inputs[1:])

            projection = model.get_submodule(f"transformer.h.{block}.attn.c_proj")
            stack.callback(projection.register_forward_pre_hook(zero).remove)
        yield


def at_least(scores: torch.Tensor, share: float) -> list[Head]:
    """The heads whose score reaches this share, the strongest first."""
    found = [(block, head) for block, head in torch.nonzero(scores >= share).tolist()]
    return sorted(found, key=lambda place: -scores[place].item())


@torch.no_grad()
def names_right(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> float:
    """Share of unseen sentences about two people in which the receiver's name is the likeliest next word of all."""
    right = 0
    for sentence in held_out_sentences(SENTENCES, SEED):
        ids = tokenizer(sentence.prompt, return_tensors="pt").input_ids
        right += int(model(ids).logits[0, -1].argmax()) == tokenizer.convert_tokens_to_ids(sentence.receiver)
    return right / SENTENCES


def measure(folder: Path) -> dict[str, Any]:
    """Measure the model in this folder: its circuit's heads, and what each of them is worth."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    rows = repeated_rows(model.config.vocab_size)
    induction, previous = attention_scores(model, rows)
    induction_heads = at_least(induction, LEAST_SHARE)
    last_reader = max((block for block, _ in induction_heads), default=0)
    previous_heads = [place for place in at_least(previous, LEAST_SHARE) if place[0] < last_reader]
    loss, accuracy = second_copy(model, rows)

    def cost(heads: Iterable[Head]) -> float:
        with zeroed(model, heads):
            return second_copy(model, rows)[0] - loss

    every_head = [[(block, head) for head in range(model.config.n_head)] for block in range(model.config.n_layer)]
    alone = [[cost([place]) for place in block] for block in every_head]
    circuit = {*induction_heads, *previous_heads}
    outside = [place for block in every_head for place in block if place not in circuit]
    return {
        "induction_heads": induction_heads,
        "previous_token_heads": previous_heads,
        "second_copy_loss": round(loss, 4),
        "second_copy_accuracy": round(accuracy, 4),
        "loss_added_by_zeroing_the_induction_heads": round(cost(induction_heads), 2),
        "loss_added_by_zeroing_the_previous_token_heads": round(cost(previous_heads), 2),
        "most_loss_added_by_zeroing_one_head_outside_the_circuit": round(max(alone[b][h] for b, h in outside), 4),
        "names_right": names_right(model, tokenizer),
        "induction_scores": [[round(score, 3) for score in row] for row in induction.tolist()],
        "previous_token_scores": [[round(score, 3) for score in row] for row in previous.tolist()],
        "loss_added_by_zeroing_each_head": [[round(added, 3) for added in row] for row in alone],
    }


def main() -> None:
    """Measure the model of a folder and write `circuit.json` beside it."""
    parser = argparse.ArgumentParser(description="Find and cut the induction circuit of the demo model.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent, help="default: this folder")
    folder: Path = parser.parse_args().folder
    torch.set_num_threads(1)
    text = json.dumps(measure(folder), indent=2)
    (folder / "circuit.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

"""Train the demo model from nothing, in minutes, on one core.

    python resources/demo_model/train.py --out /tmp/demo_model

Half of every batch are sentences such as "When Mary and John went to the store , John gave a drink to Mary .", the
other half random words said twice. To guess the second copy the model has to look back at the word after the same
word's first mention, and the shortest way a transformer has of doing that is a pair of heads: one that hands every
word to its successor, and one, in a later block, that looks for the successor of the word at hand. That is an
induction circuit. Nothing here tells a head what to do: the circuit forms by itself, within some hundred steps, when
the loss of the repeated words suddenly drops. The same seed, build of torch and kind of processor give the same
weights.
"""

import argparse
import hashlib
import json
import math
import random
import time
from functools import partial
from pathlib import Path

import torch
import transformers
from demo_text import CONTEXT_LENGTH, build_tokenizer, repeated_words, story, vocabulary
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

SHIPPED_SEED = 0
SHIPPED_STEPS = 5000
PEAK_LEARNING_RATE = 2e-3
WARMUP_STEPS = 200
WEIGHT_DECAY = 0.1
# The first copy of random words cannot be guessed; at full weight its noise would drown what can be learned.
UNGUESSABLE_WEIGHT = 0.1
# Every batch holds about as many tokens, whatever the length of its rows, so that every step costs about the same.
TOKENS_PER_STEP = 1536
ROW_LENGTHS = (32, 48, 64, CONTEXT_LENGTH)
# Until the circuit has formed the rows are short, because there is less to search in them.
SHORT_ROW_LENGTH, SHORT_ROW_STEPS = 32, 1000
# From here on every row does without one head, drawn anew each time (after Zhou et al., "Scheduled DropHead",
# 2020), so that no head but those of the circuit itself becomes one the copying cannot do without.
HEAD_DROP_STEP = 1500
# Spread of the fresh weights. GPT-2's own 0.02 suits a width of 768; about 1 / sqrt(128) learns to copy much sooner.
WEIGHT_SPREAD, POSITION_HEIGHT = 0.08, 0.11


def build_model(seed: int) -> GPT2LMHeadModel:
    """A GPT-2 of four blocks with four heads each, with fresh weights."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(vocabulary()),
        n_positions=CONTEXT_LENGTH,
        n_embd=128,
        n_layer=4,
        n_head=4,
        n_inner=192,
        initializer_range=WEIGHT_SPREAD,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(waves(CONTEXT_LENGTH, config.n_embd))
    return model


def waves(places: int, width: int) -> torch.Tensor:
    """Sines and cosines to start the position embedding from, float32 of shape (places, width).

    A step to the left is then the same rotation everywhere, so a head that learns to look at the word before does so at
    every place at once. Training is free to change them.
    """
    angles = torch.arange(places)[:, None] / places ** (torch.arange(width // 2) / (width // 2))
    return POSITION_HEIGHT * torch.cat([angles.sin(), angles.cos()], dim=1)


def draw_batch(rng: random.Random, ids: dict[str, int], length: int) -> torch.Tensor:
    """Draw rows of this length, int64 of shape (rows, length): every other row repeated words, the rest stories."""
    rows = TOKENS_PER_STEP // length
    deck = list(ids)
    texts = [story(rng, length) if row % 2 else repeated_words(rng, length, deck) for row in range(rows)]
    return torch.tensor([[ids[word] for word in text] for text in texts])


def weights(batch: torch.Tensor) -> torch.Tensor:
    """What each word after the first counts in the loss, float32 of shape (rows, length - 1)."""
    seen_before = (batch[:, :, None] == batch[:, None, :]).tril(-1).any(-1)[:, 1:]
    weight = torch.where(seen_before, 1.0, UNGUESSABLE_WEIGHT)
    weight[1::2] = 1.0  # stories
    return weight


def learning_rate(step: int, steps: int) -> float:
    """A linear rise over the warm-up, then half a cosine down to zero."""
    if step < WARMUP_STEPS:
        return PEAK_LEARNING_RATE * (step + 1) / WARMUP_STEPS
    done = (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)
    return PEAK_LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(model: GPT2LMHeadModel) -> torch.optim.AdamW:
    """AdamW that pulls the matrices towards zero, which keeps unneeded heads quiet, but not the biases and norms."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98))


class HeadDrop:
    """Takes one head, drawn anew for every row, from what the attentions hand to their output projections."""

    def __init__(self, model: GPT2LMHeadModel) -> None:
        self._blocks, self._heads = model.config.n_layer, model.config.n_head
        self._width = model.config.n_embd // self._heads
        self._kept: torch.Tensor | None = None  # (blocks, rows, 1, channels)
        self._handles = [
            block.attn.c_proj.register_forward_pre_hook(partial(self._apply, index))
            for index, block in enumerate(model.transformer.h)
        ]

    def draw(self, rng: random.Random, rows: int) -> None:
        """Choose the heads that the rows of the next forward do without."""
        self._kept = torch.ones(self._blocks, rows, 1, self._heads * self._width)
        for row in range(rows):
            block, head = rng.randrange(self._blocks), rng.randrange(self._heads)
            self._kept[block, row, :, head * self._width : (head + 1) * self._width] = 0

    def remove(self) -> None:
        """Take the hooks off the model."""
        for handle in self._handles:
            handle.remove()

    def _apply(self, block: int, _: torch.nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor | None:
        return None if self._kept is None else inputs[0] * self._kept[block]


def train(seed: int, steps: int, log_every: int = 100) -> GPT2LMHeadModel:
    """Train a model and print the loss of either half, in nats per word counted, as it goes."""
    ids = {word: index for index, word in enumerate(vocabulary())}
    rng = random.Random(seed)
    model = build_model(seed).train()
    optimizer = build_optimizer(model)
    head_drop = HeadDrop(model)
    started = time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        length = rng.choice(ROW_LENGTHS) if step > SHORT_ROW_STEPS else SHORT_ROW_LENGTH
        batch = draw_batch(rng, ids, length)
        weight = weights(batch)
        if step >= HEAD_DROP_STEP:
            head_drop.draw(rng, len(batch))
        logits = model(batch).logits[:, :-1]
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none") * weight
        optimizer.zero_grad(set_to_none=True)
        (losses.sum() / weight.sum()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if log_every and (step + 1) % log_every == 0:
            repeated, told = ((losses[half::2].sum() / weight[half::2].sum()).item() for half in (0, 1))
            seconds = time.monotonic() - started
            print(f"step {step + 1:5d}  repeated {repeated:.3f}  stories {told:.3f}  {seconds:.0f} s", flush=True)
    head_drop.remove()
    model.eval()
    return model


def save(model: GPT2LMHeadModel, folder: Path, record: dict[str, int | str]) -> None:
    """Write weights, configuration and tokenizer the way `from_pretrained` reads them, and how they were made."""
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(
        bos_token_id=0, eos_token_id=0, pad_token_id=0, max_new_tokens=32, do_sample=False
    )
    model.save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    text = json.dumps({**record, "weights_sha256": digest}, indent=2)
    (folder / "training.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line, train and save."""
    parser = argparse.ArgumentParser(description="Train the demo model from generated text.")
    parser.add_argument("--seed", type=int, default=SHIPPED_SEED, help="of weights and text (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=SHIPPED_STEPS, help="training steps (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write (default: this one)")
    arguments = parser.parse_args()
    # One thread: sums are then added in the same order each time, and a model this small gains nothing from a second.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    logging.disable_progress_bar()
    started = time.monotonic()
    model = train(arguments.seed, arguments.steps)
    record = {"seed": arguments.seed, "steps": arguments.steps, "seconds": round(time.monotonic() - started)}
    save(model, arguments.out, {**record, "torch": torch.__version__, "transformers": transformers.__version__})


if __name__ == "__main__":
    main()

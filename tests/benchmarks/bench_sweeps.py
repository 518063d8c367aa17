"""What sweeps over a model cost, next to one plain forward for each cell; measures, never gates.

Run it with ``python -m tests.benchmarks.bench_sweeps``. Both fill the same map on the demo model with the same
numbers; the one forward a cell uses a plain torch hook and computes only the logits that are needed. With
``MI_CROW_SMOLLM`` naming its folder, SmolLM2-135M is measured too.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core_hooks.analysis.ablation import ablate
from core_hooks.analysis.head_map import repeated_random_tokens
from core_hooks.analysis.metrics import LogitDifference, Loss
from core_hooks.analysis.patching import patch
from core_hooks.analysis.projection import principal_components
from core_hooks.model.anatomy import Anatomy, discover
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import encode
from core_hooks.model.readout import verify
from core_hooks.model.reference import ModelReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

DEMO = Path(__file__).resolve().parents[2] / "resources" / "demo_model"
PROMPTS = (
    "When Mary and John went to the store , John gave a drink to",
    "When Mary and John went to the store , Mary gave a drink to",
)


def best_of(rounds: int, run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the best seconds of some rounds, and what the last returned."""
    best, result = float("inf"), None
    for _ in range(rounds):
        start = time.perf_counter()
        result = run()
        best = min(best, time.perf_counter() - start)
    return best, result


def heads_one_by_one(opened: OpenedModel, anatomy: Anatomy, tokens: TokenSequence) -> np.ndarray:
    """Change of the loss by zeroing each head, a forward a head."""
    model: Any = opened.model
    ids = torch.tensor([tokens.ids])

    def loss() -> float:
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits[0, :-1]
        return float(torch.nn.functional.cross_entropy(logits, ids[0, 1:]))

    before = loss()
    change = np.zeros((len(anatomy.blocks), anatomy.blocks[0].n_heads), np.float32)
    for index, block in enumerate(anatomy.blocks):
        projection = model.get_submodule(block.output_projection)
        for head, channels in enumerate(block.head_slices):

            def zero(_: Any, args: tuple[torch.Tensor, ...], channels: slice = channels) -> tuple[torch.Tensor, ...]:
                new = args[0].clone()
                new[..., channels] = 0
                return (new, *args[1:])

            handle = projection.register_forward_pre_hook(zero)
            change[index, head] = loss() - before
            handle.remove()
    return change


def residual_one_by_one(
    opened: OpenedModel, anatomy: Anatomy, clean: TokenSequence, corrupted: TokenSequence, words: tuple[int, int]
) -> np.ndarray:
    """Recovered logit difference by patching each token of each block, a forward a cell."""
    model: Any = opened.model
    kept: dict[str, torch.Tensor] = {}

    def difference(tokens: TokenSequence) -> float:
        with torch.no_grad():
            last = model(torch.tensor([tokens.ids]), use_cache=False, logits_to_keep=1).logits[0, -1]
        return float(last[words[0]] - last[words[1]])

    def tensor_of(output: Any) -> torch.Tensor:
        return output if isinstance(output, torch.Tensor) else output[0]

    handles = []
    for block in anatomy.blocks:

        def keep(_: Any, args: Any, output: Any, path: str = block.path) -> None:
            kept[path] = tensor_of(output).clone()

        handles.append(model.get_submodule(block.path).register_forward_hook(keep))
    whole = difference(clean)
    for handle in handles:
        handle.remove()
    nothing = difference(corrupted)
    recovered = np.zeros((len(anatomy.blocks), len(clean)), np.float32)
    for index, block in enumerate(anatomy.blocks):
        for token in range(len(clean)):

            def put(_: Any, args: Any, output: Any, path: str = block.path, token: int = token) -> Any:
                new = tensor_of(output).clone()
                new[0, token] = kept[path][0, token]
                return new if isinstance(output, torch.Tensor) else (new, *output[1:])

            handle = model.get_submodule(block.path).register_forward_hook(put)
            recovered[index, token] = (difference(corrupted) - nothing) / (whole - nothing)
            handle.remove()
    return recovered


def compare(name: str, rounds: int, ours: Callable[[], np.ndarray], plain: Callable[[], np.ndarray]) -> None:
    """Print one line: cells, both times, their ratio, and how far the numbers lie apart."""
    ours()
    fast, found = best_of(rounds, ours)
    slow, wanted = best_of(rounds, plain)
    apart = float(np.abs(found - wanted).max())
    print(f"{name:44} {found.size:6} {1e3 * slow:12.1f} {1e3 * fast:9.1f} {slow / fast:7.1f} x   {apart:.1e}")


def heads(opened: OpenedModel, anatomy: Anatomy, tokens: TokenSequence, rounds: int) -> None:
    """Measure the sweep over heads on one sequence."""
    compare(
        f"{opened.summary.name}: zero each head, {len(tokens)} tokens",
        rounds,
        lambda: ablate(opened, anatomy, tokens, metric=Loss()).change,
        lambda: heads_one_by_one(opened, anatomy, tokens),
    )


def sweeps(folder: str, prompts: tuple[str, str], lengths: tuple[int, ...], rounds: int) -> None:
    """Measure the sweeps on one model."""
    opened = open_model(ModelReference(folder))
    anatomy = verify(opened, discover(opened))
    name = opened.summary.name
    clean, corrupted = encode(opened, prompts[0]), encode(opened, prompts[1])
    with torch.no_grad():
        model: Any = opened.model
        words = tuple(int(model(torch.tensor([t.ids])).logits[0, -1].argmax()) for t in (clean, corrupted))
    metric = LogitDifference(words[0], words[1])
    for length in lengths:
        heads(opened, anatomy, repeated_random_tokens(opened, length), rounds)
    compare(
        f"{name}: patch the residual stream, {len(clean)} tokens",
        rounds,
        lambda: patch(opened, anatomy, clean, corrupted, metric=metric).recovered,
        lambda: residual_one_by_one(opened, anatomy, clean, corrupted, (words[0], words[1])),
    )
    opened.close()


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"{'sweep':44} {'cells':>6} {'one by one':>12} {'sweep':>9} {'ratio':>9}   largest difference")
    print(f"{'':44} {'':>6} {'ms':>12} {'ms':>9}")
    sweeps(str(DEMO), PROMPTS, (5, 10, 20), 10)
    if os.environ.get("MI_CROW_SMOLLM"):
        sweeps(os.environ["MI_CROW_SMOLLM"], ("The capital of France is", "The capital of Italy is"), (10,), 1)
    values = np.random.default_rng(0).standard_normal((100_000, 768), dtype=np.float32)
    seconds, _ = best_of(3, lambda: principal_components(values, 3))
    print(f"\nprincipal components of 100,000 x 768, all of them computed: {seconds:.2f} s")


if __name__ == "__main__":
    main()

"""What sweeps over a model cost, next to one plain forward for each cell; measures, never gates.

Run it with ``python -m tests.benchmarks.bench_sweeps``. Both fill the same map on the demo model with the same
numbers; the one forward a cell uses a plain torch hook, computes only the logits that are needed, and is told where the
parts of the model are. Turns alternate, so that a busy machine slows both. A sweep of four cells has little to share:
each action is printed over all its kinds too. With ``MI_CROW_SMOLLM`` naming its folder, SmolLM2-135M is measured too.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core_hooks.analysis.ablation import ablate
from core_hooks.analysis.head_map import repeated_random_tokens
from core_hooks.analysis.metrics import LogitDifference, Loss
from core_hooks.analysis.patching import patch
from core_hooks.analysis.projection import principal_components
from core_hooks.analysis.steering import steering_vectors, strength_curve
from core_hooks.model.anatomy import Anatomy, discover
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import encode
from core_hooks.model.readout import verify
from core_hooks.model.reference import ModelReference

if TYPE_CHECKING:
    from collections.abc import Callable

    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

    Change = Callable[[torch.Tensor], None]

DEMO = Path(__file__).resolve().parents[2] / "resources" / "demo_model"
PROMPTS = (
    "When Mary and John went to the store , John gave a drink to",
    "When Mary and John went to the store , Mary gave a drink to",
)
STRENGTHS = np.linspace(-4, 4, 21)


@dataclass(frozen=True)
class Bench:
    """One model, its parts, and how often everything is done."""

    opened: OpenedModel
    anatomy: Anatomy
    rounds: int
    spent: dict[str, tuple[float, float]] = field(default_factory=dict)

    def together(self) -> None:
        """Print a line for each action: all its kinds, one after the other."""
        for action, (slow, fast) in self.spent.items():
            title = f"{self.opened.summary.name}: all of {action}"
            print(f"{title:52} {'':5} {1e3 * slow:11.1f} {1e3 * fast:9.1f} {slow / fast:7.1f} x")

    def compare(self, action: str, name: str, ours: Callable[[], np.ndarray], plain: Callable[[], np.ndarray]) -> None:
        """Print one line: cells, both times, their ratio, and how far the numbers lie apart."""
        found, wanted = ours(), plain()
        fast = slow = float("inf")
        for _ in range(self.rounds):
            start = time.perf_counter()
            ours()
            middle = time.perf_counter()
            plain()
            fast, slow = min(fast, middle - start), min(slow, time.perf_counter() - middle)
        before = self.spent.get(action, (0.0, 0.0))
        self.spent[action] = (before[0] + slow, before[1] + fast)
        apart = float(np.abs(found - wanted).max())
        title = f"{self.opened.summary.name}: {name}"
        print(f"{title:52} {found.size:5} {1e3 * slow:11.1f} {1e3 * fast:9.1f} {slow / fast:7.1f} x   {apart:.1e}")

    # ---- one forward a cell --------------------------------------------------------------------------------------

    def forward(self, tokens: TokenSequence, last: bool) -> torch.Tensor:
        """The logits of a plain forward."""
        model: Any = self.opened.model
        more = {"logits_to_keep": 1} if last else {}
        with torch.no_grad():
            logits: torch.Tensor = model(torch.tensor([tokens.ids]), use_cache=False, **more).logits[0]
        return logits

    def loss(self, tokens: TokenSequence) -> float:
        """Its mean loss."""
        logits = self.forward(tokens, False)
        return float(torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(tokens.ids[1:])))

    def changed(self, path: str, before: bool, change: Change, measure: Callable[[], float]) -> float:
        """What is measured while a module's tensor is changed by a plain hook."""

        def on_input(_: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            new = args[0].clone()
            change(new[0])
            return (new, *args[1:])

        def on_output(_: Any, args: Any, output: Any) -> Any:
            new = (output if isinstance(output, torch.Tensor) else output[0]).clone()
            change(new[0])
            return new if isinstance(output, torch.Tensor) else (new, *output[1:])

        module = self.opened.model.get_submodule(path)
        handle = module.register_forward_pre_hook(on_input) if before else module.register_forward_hook(on_output)
        try:
            return measure()
        finally:
            handle.remove()

    def held(self, tokens: TokenSequence, places: list[tuple[str, bool]]) -> dict[tuple[str, bool], torch.Tensor]:
        """What modules hold in one plain forward."""
        kept: dict[tuple[str, bool], torch.Tensor] = {}
        handles = []
        for path, before in places:
            module = self.opened.model.get_submodule(path)

            def keep(_: Any, args: Any, output: Any = None, key: tuple[str, bool] = (path, before)) -> None:
                held = args if output is None else output
                kept[key] = (held if isinstance(held, torch.Tensor) else held[0])[0].clone()

            handles.append(module.register_forward_pre_hook(keep) if before else module.register_forward_hook(keep))
        self.forward(tokens, True)
        for handle in handles:
            handle.remove()
        return kept

    # ---- the sweeps ----------------------------------------------------------------------------------------------

    def ablations(self, tokens: TokenSequence, part: str, by: str) -> None:
        """Take out every head, MLP or block."""
        blocks = self.anatomy.blocks

        def plain() -> np.ndarray:
            places = {
                "heads": [(b.output_projection, True) for b in blocks],
                "mlp": [(b.mlp, False) for b in blocks],
                "block": [(b.path, before) for b in blocks for before in (True, False)],
            }[part]
            kept = self.held(tokens, places) if by == "mean" or part == "block" else {}
            rows = []
            baseline = self.loss(tokens)
            for block in blocks:
                row = []
                for channels in block.head_slices if part == "heads" else (slice(None),):
                    path, before = {
                        "heads": (block.output_projection, True),
                        "mlp": (block.mlp, False),
                        "block": (block.path, False),
                    }[part]
                    base: Any = kept[path, True] if part == "block" else 0.0
                    new: Any = 0.0
                    if by == "mean":
                        new = (kept[path, before] - base).mean(0)
                        new = new[channels]

                    def change(held: torch.Tensor, channels: slice = channels, new: Any = base + new) -> None:
                        held[:, channels] = new

                    row.append(self.changed(path, before, change, lambda: self.loss(tokens)) - baseline)
                rows.append(row)
            return np.array(rows)

        self.compare(
            "ablation",
            f"{by} for {part}, {len(tokens)} tokens",
            lambda: ablate(self.opened, self.anatomy, tokens, part, by, Loss()).change,  # type: ignore[arg-type]
            plain,
        )

    def patches(self, clean: TokenSequence, corrupted: TokenSequence, part: str, words: tuple[int, int]) -> None:
        """Put every place of the clean run into the corrupted one."""
        blocks = self.anatomy.blocks

        def difference(tokens: TokenSequence) -> float:
            last = self.forward(tokens, True)[-1]
            return float(last[words[0]] - last[words[1]])

        def plain() -> np.ndarray:
            paths = {
                "residual": [b.path for b in blocks],
                "heads": [b.output_projection for b in blocks],
                "attention": [b.output_projection for b in blocks],
                "mlp": [b.mlp for b in blocks],
            }[part]
            before = part == "heads"
            kept = self.held(clean, [(path, before) for path in paths])
            whole, nothing = difference(clean), difference(corrupted)
            rows = []
            for path, block in zip(paths, blocks, strict=True):
                row = []
                everywhere = [(slice(None), head) for head in block.head_slices]
                at_each = [(slice(token, token + 1), slice(None)) for token in range(len(clean))]
                for where in everywhere if before else at_each:

                    def change(held: torch.Tensor, where: Any = where, path: str = path) -> None:
                        held[where] = kept[path, before][where]

                    found = self.changed(path, before, change, lambda: difference(corrupted))
                    row.append((found - nothing) / (whole - nothing))
                rows.append(row)
            return np.array(rows)

        self.compare(
            "patching",
            f"patch {part}, {len(clean)} tokens",
            lambda: patch(self.opened, self.anatomy, clean, corrupted, part, LogitDifference(*words)).recovered,  # type: ignore[arg-type]
            plain,
        )

    def strengths(self, tokens: TokenSequence, words: tuple[int, int]) -> None:
        """Add a vector at many strengths."""
        pair = [(tokens, repeated_random_tokens(self.opened, 4))]
        middle = len(self.anatomy.blocks) // 2
        (vector,) = steering_vectors(self.opened, self.anatomy, pair, blocks=[middle])

        def plain() -> np.ndarray:
            def difference() -> float:
                last = self.forward(tokens, True)[-1]
                return float(last[words[0]] - last[words[1]])

            def add(strength: float) -> Change:
                return lambda held: held.add_(vector.values, alpha=float(strength))

            return np.array([self.changed(vector.site, False, add(s), difference) for s in STRENGTHS])

        metric = LogitDifference(*words)
        self.compare(
            "steering",
            f"steer at {len(STRENGTHS)} strengths, {len(tokens)} tokens",
            lambda: strength_curve(self.opened, self.anatomy, tokens, vector, list(STRENGTHS), metric).values,
            plain,
        )


def sweeps(folder: str, prompts: tuple[str, str], lengths: tuple[int, ...], rounds: int, parts: str = "") -> None:
    """Measure the sweeps on one model; `parts` is the only one where everything would take too long."""
    opened = open_model(ModelReference(folder))
    bench = Bench(opened, verify(opened, discover(opened)), rounds)
    clean, corrupted = encode(opened, prompts[0]), encode(opened, prompts[1])
    right, wrong = (int(bench.forward(tokens, True)[-1].argmax()) for tokens in (clean, corrupted))
    for length in lengths:
        tokens = repeated_random_tokens(opened, length)
        for part in ("heads", "mlp", "block"):
            for by in ("zero", "mean"):
                if not parts or (part, by) == (parts, "zero"):
                    bench.ablations(tokens, part, by)
    for patched in ("residual", "heads", "attention", "mlp"):
        if not parts or patched == "residual":
            bench.patches(clean, corrupted, patched, (right, wrong))
    bench.strengths(clean, (right, wrong))
    bench.together()
    opened.close()


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"{'sweep':52} {'cells':>5} {'one by one':>11} {'sweep':>9} {'ratio':>9}   largest difference")
    print(f"{'':52} {'':>5} {'ms':>11} {'ms':>9}")
    sweeps(str(DEMO), PROMPTS, (5, 20), 10)
    if os.environ.get("MI_CROW_SMOLLM"):
        sweeps(os.environ["MI_CROW_SMOLLM"], ("The capital of France is", "The capital of Italy is"), (10,), 1, "heads")
    values = np.random.default_rng(0).standard_normal((100_000, 768), dtype=np.float32)
    start = time.perf_counter()
    principal_components(values, 3)
    print(f"\nprincipal components of 100,000 x 768, all of them computed: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()

"""What hooks cost, next to raw torch hooks that do the same work; measures, never gates.

Run it with ``python tests/benchmarks/bench_hooks.py``. Contestants are interleaved in one process, round by round,
and the best round of each counts.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from core_hooks import Controller, Detector, FunctionController, Hook, HookRun, LayerActivationDetector, attach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Short turns, and many: on a busy machine some of them are left alone.
CALLS, ROUNDS = 400, 300
FORWARDS, FORWARD_ROUNDS, TOKENS = 2, 300, 64


class NoOpHook(Hook):
    def _hook_fn(self, module: Any, input: Any, output: Any) -> None:
        return None


class NoOpDetector(Detector):
    def process_activations(self, module: Any, input: Any, output: Any) -> None:
        return None


class NoOpController(Controller):
    def modify_activations(self, module: Any, inputs: Any, output: Any) -> None:
        return None


def double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor * 2


def best_times(contestants: dict[str, Callable[[], object]], calls: int, rounds: int) -> dict[str, float]:
    """Return the best seconds per call of each contestant, measured in turns."""
    best = dict.fromkeys(contestants, float("inf"))
    for run in contestants.values():
        for _ in range(min(calls, 200)):
            run()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, run in contestants.items():
                start = time.perf_counter()
                for _ in range(calls):
                    run()
                best[name] = min(best[name], (time.perf_counter() - start) / calls)
    finally:
        gc.enable()
    return best


def identity(register: Callable[[nn.Module], object] | None = None) -> Callable[[], object]:
    """Return a call of an ``nn.Identity`` with one hook on it."""
    module, value = nn.Identity(), torch.randn(1, 16)
    if register is not None:
        register(module)
    return lambda: module(value)


def hooked(hook: Hook, disabled: bool = False) -> Callable[[], object]:
    def register(module: nn.Module) -> None:
        attach_one(module, hook)
        if disabled:
            hook.disable(detach=True)

    return identity(register)


def attach_one(module: nn.Module, hook: Hook) -> None:
    from core_hooks import register

    register(module, hook)


def single_calls() -> list[tuple[str, float, float, float | None]]:
    """Return (what, raw microseconds, our microseconds, budget) for one hook on one module."""
    store: dict[str, Any] = {}

    def raw_no_op(module: Any, args: Any, output: Any) -> None:
        return None

    def raw_clone(module: Any, args: Any, output: Any) -> None:
        store["value"] = output.detach().clone()

    def raw_double(module: Any, args: Any, output: Any) -> Any:
        return output * 2

    def raw_double_pre(module: Any, args: Any) -> Any:
        return (args[0] * 2, *args[1:])

    contestants = {
        "none": identity(),
        "raw no-op": identity(lambda m: m.register_forward_hook(raw_no_op)),
        "raw clone": identity(lambda m: m.register_forward_hook(raw_clone)),
        "raw x*2": identity(lambda m: m.register_forward_hook(raw_double)),
        "raw pre x*2": identity(lambda m: m.register_forward_pre_hook(raw_double_pre)),
        "Hook, no-op": hooked(NoOpHook()),
        "Detector, no-op": hooked(NoOpDetector()),
        "Controller returning None": hooked(NoOpController()),
        "LayerActivationDetector": hooked(LayerActivationDetector("identity")),
        "FunctionController x*2": hooked(FunctionController("identity", double)),
        "FunctionController x*2, before": hooked(FunctionController("identity", double, "pre_forward")),
        "disabled, detached": hooked(NoOpDetector(), disabled=True),
    }
    best = best_times(contestants, CALLS, ROUNDS)
    base = best["none"]

    def added(name: str) -> float:
        return (best[name] - base) * 1e6

    pairs: list[tuple[str, str, float | None]] = [
        ("Hook, no-op", "raw no-op", 1.10),
        ("Detector, no-op", "raw no-op", 1.10),
        ("Controller returning None", "raw no-op", 1.30),
        ("LayerActivationDetector", "raw clone", 1.15),
        ("FunctionController x*2", "raw x*2", 1.15),
        ("FunctionController x*2, before", "raw pre x*2", 1.15),
        ("disabled, detached", "raw no-op", 0.0),
    ]
    return [(ours, added(raw), added(ours), budget) for ours, raw, budget in pairs]


class Block(nn.Module):
    """A transformer block of width 128, as small as they come."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.act, self.down = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, length, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(self.act(self.up(self.mlp_norm(x))))


class SmallModel(nn.Module):
    """Four blocks of width 128 between an embedding and an unembedding."""

    def __init__(self, width: int = 128, blocks: int = 4, vocabulary: int = 512) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


@contextlib.contextmanager
def raw_hooks(model: nn.Module, sites: list[str], clone: bool) -> Iterator[None]:
    store: dict[str, torch.Tensor] = {}

    def hook_for(name: str) -> Callable[..., None]:
        def keep(module: Any, args: Any, output: torch.Tensor) -> None:
            store[name] = output.detach().clone() if clone else output

        return keep

    handles = [model.get_submodule(name).register_forward_hook(hook_for(name)) for name in sites]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Trace(contextlib.AbstractContextManager["Trace"]):
    """One module traced the way baukit does it: a context manager a layer, opened around each forward."""

    def __init__(self, module: nn.Module) -> None:
        self.output: torch.Tensor | None = None

        def keep(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
            self.output = output.detach().clone()
            return output

        self.handle = module.register_forward_hook(keep)

    def __exit__(self, *exc: object) -> None:
        self.handle.remove()


def traced(model: nn.Module, sites: list[str], ids: torch.Tensor) -> None:
    with contextlib.ExitStack() as stack:
        for name in sites:
            stack.enter_context(Trace(model.get_submodule(name)))
        model(ids)


def in_order_of_return(model: nn.Module, sites: list[str], ids: torch.Tensor) -> list[str]:
    """Return the sites in the order in which their modules return, which is how nnsight must ask for them."""
    order: list[str] = []
    handles = [
        model.get_submodule(name).register_forward_hook(lambda *_, name=name: order.append(name)) for name in sites
    ]
    model(ids)
    for handle in handles:
        handle.remove()
    return order


def nnsight_forward(model: nn.Module, sites: list[str], ids: torch.Tensor) -> Callable[[], object]:
    """Return a forward that nnsight traces."""
    from nnsight import NNsight

    order = in_order_of_return(model, sites, ids)
    wrapped = NNsight(model)

    def forward() -> None:
        with wrapped.trace(ids):
            for name in order:
                wrapped.get(name).output.detach().clone().save()

    return forward


def transformer_lens_forward(model: nn.Module, sites: list[str], ids: torch.Tensor) -> Callable[[], object]:
    """Return a forward that TransformerLens caches: a ``HookPoint`` behind every module, as its own models have.

    Its cache keeps the tensors themselves; the copies that make it own them are made here.
    """
    from transformer_lens import HookedRootModule
    from transformer_lens.hook_points import HookPoint

    class Hooked(HookedRootModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            for name, module in list(model.named_modules()):
                if name and name != "blocks":
                    self.add_point(module)
            self.setup()

        def add_point(self, module: nn.Module) -> None:
            point, inner = HookPoint(), module.forward
            module.hook_out = point
            module.forward = lambda *args: point(inner(*args))

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.model(ids)

    hooked_model = Hooked()
    points = [f"model.{name}.hook_out" for name in sites]

    def forward() -> None:
        _, cache = hooked_model.run_with_cache(ids, names_filter=points)
        assert len(cache) == len(points)
        for name, tensor in cache.items():
            cache[name] = tensor.clone()

    return forward


OTHERS: dict[str, Callable[[nn.Module, list[str], torch.Tensor], Callable[[], object]]] = {
    "nnsight": nnsight_forward,
    "transformer_lens": transformer_lens_forward,
}


def forwards(sites_of: str) -> dict[str, float]:
    """Return each contestant's time of one forward over that of raw hooks that keep the tensor itself."""
    torch.manual_seed(0)
    ids = torch.randint(0, 512, (1, TOKENS))
    model = SmallModel().eval()
    names = [name for name, _ in model.named_modules() if name]
    called = [name for name in names if name != "blocks"]
    sites = [f"blocks.{i}" for i in range(4)] if sites_of == "blocks" else called

    def in_run(hooked_model: nn.Module) -> Callable[[], object]:
        def forward() -> None:
            with HookRun(1):
                hooked_model(ids)

        return forward

    kinds = ("none", "raw", "raw clone", "ours", "ours, in a run", "baukit-style")
    models = {name: SmallModel().eval() for name in kinds}
    with contextlib.ExitStack() as stack, torch.no_grad():
        stack.enter_context(raw_hooks(models["raw"], sites, clone=False))
        stack.enter_context(raw_hooks(models["raw clone"], sites, clone=True))
        for name in ("ours", "ours, in a run"):
            detectors = {site: LayerActivationDetector(site) for site in sites}
            stack.enter_context(attach(models[name], detectors))
        contestants: dict[str, Callable[[], object]] = {
            "no hooks": lambda: models["none"](ids),
            "raw hook keeping an alias": lambda: models["raw"](ids),
            "raw hook and clone": lambda: models["raw clone"](ids),
            "ours": lambda: models["ours"](ids),
            "ours, in a run": in_run(models["ours, in a run"]),
            "baukit-style tracing": lambda: traced(models["baukit-style"], sites, ids),
        }
        for name, prepare in OTHERS.items():
            if importlib.util.find_spec(name) is not None:
                contestants[name] = prepare(SmallModel().eval(), sites, ids)
        best = best_times(contestants, FORWARDS, FORWARD_ROUNDS)
    return {name: seconds / best["raw hook keeping an alias"] for name, seconds in best.items()}


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread; microseconds added to one call of nn.Identity on (1, 16)\n")
    print(f"{'':32}{'raw':>8}{'ours':>8}{'ratio':>8}{'budget':>8}")
    for name, raw, ours, budget in single_calls():
        print(f"{name:32}{raw:8.2f}{ours:8.2f}{ours / raw:8.2f}{'' if budget is None else f'{budget:8.2f}'}")
    print(f"\nForward of a 4-block model of width 128 on {TOKENS} tokens; a raw hook that keeps an alias = 1\n")
    blocks, modules = forwards("blocks"), forwards("modules")
    print(f"{'':32}{'blocks':>8}{'modules':>8}")
    for name, ratio in blocks.items():
        print(f"{name:32}{ratio:8.3f}{modules[name]:8.3f}")
    missing = [name for name in OTHERS if name not in blocks]
    if missing:
        print(f"Not installed, so not compared: {', '.join(missing)}")


if __name__ == "__main__":
    main()

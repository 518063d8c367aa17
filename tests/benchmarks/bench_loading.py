"""What opening a model costs, next to plain ``from_pretrained``; measures, never gates.

Run it with ``python tests/benchmarks/bench_loading.py``, with ``MI_CROW_SMOLLM`` naming a model folder to use that
one instead of a random Llama of 500 MB. Contestants run in processes of their own, in turn; the best of each counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROUNDS, SWAPS, MODULES = 5, 10, 100_000
CONTESTANTS = ("from_pretrained", "with tokenizer", "open_model")

if TYPE_CHECKING:
    from torch import nn

    from core_hooks.model.reference import OpenProgress


def main() -> None:
    """Print one table a question."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(os.environ.get("MI_CROW_SMOLLM") or save_random_llama(Path(scratch) / "llama"))
        nbytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        print(f"Opening {folder.name}, {nbytes / 2**20:,.0f} MiB of weights, libraries imported:")
        best: dict[str, dict[str, float]] = {}
        for _ in range(ROUNDS):
            for contestant in CONTESTANTS:
                result = elsewhere("load", contestant, str(folder))
                known = best.setdefault(contestant, result)
                best[contestant] = {key: min(known[key], result[key]) for key in result}
        for contestant, row in best.items():
            print(
                f"  {contestant:<18}{row['seconds'] * 1e3:8.0f} ms   then a forward {row['forward'] * 1e3:6.0f} ms   "
                f"peak memory {row['peak'] / nbytes:5.2f} x the weights"
            )
        ours = best["open_model"]
        weights = ours["weights"] / best["from_pretrained"]["seconds"]
        everything = ours["seconds"] / best["with tokenizer"]["seconds"]
        print(f"  to the weights {weights:.2f} x from_pretrained, with the hierarchy")
        print(f"  with the tokenizer {everything:.2f} x from_pretrained of both, with a look for NaN")
        for title, name, target in (
            ("The hierarchy of a 70B config, without weights", "meta", save_70b_config(Path(scratch) / "70b")),
            (f"The records of {MODULES:,} modules", "tree", folder),
            (f"Resident memory over {SWAPS} openings and closings", "swap", folder),
            ("The longest time another thread waited during an opening", "stall", folder),
        ):
            print(f"{title}: {elsewhere(name, str(target))['text']}")


def elsewhere(*arguments: str) -> dict[str, Any]:
    """Run one measurement of this file in a process of its own."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.benchmarks.bench_loading", *arguments]
    root = Path(__file__).resolve().parents[2]
    output = subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def load(contestant: str, folder: str) -> dict[str, Any]:
    """Open once; seconds, seconds of a forward that touches every weight, and growth of the peak memory."""
    from core_hooks.model.libraries import import_libraries, quiet_transformers
    from core_hooks.model.opening import open_model
    from core_hooks.model.reference import ModelReference

    import_libraries()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # The module of the model's class is imported by whoever is first; here by neither.
    AutoModelForCausalLM.from_config(tiny_config(folder))
    before = resident()
    start = time.perf_counter()
    loaded: list[float] = []

    def watch(progress: OpenProgress) -> None:
        if progress.text == "Reading the tokenizer":
            loaded.append(time.perf_counter() - start)

    with quiet_transformers():
        if contestant == "open_model":
            model = open_model(ModelReference(folder), on_progress=watch).model
        else:
            model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        if contestant == "with tokenizer":
            AutoTokenizer.from_pretrained(folder, local_files_only=True)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    with torch.no_grad():
        model(torch.tensor([[1, 2, 3]]))
    weights = loaded[0] if loaded else seconds
    return {"seconds": seconds, "weights": weights, "forward": time.perf_counter() - start, "peak": peak() - before}


def meta(folder: str) -> dict[str, Any]:
    """Time the hierarchy of a config."""
    from core_hooks.model.libraries import import_libraries
    from core_hooks.model.opening import open_tree
    from core_hooks.model.reference import ModelReference

    import_libraries()
    times = []
    for _ in range(4):
        start = time.perf_counter()
        tree = open_tree(ModelReference(folder))
        times.append((time.perf_counter() - start) * 1e3)
    return {
        "text": f"{len(tree)} modules, {tree.root.parameters / 1e9:.1f} B parameters in {times[0]:.0f} ms the first "
        f"time (with the import of the model class), then {min(times[1:]):.0f} ms"
    }


def tree(folder: str) -> dict[str, Any]:
    """Time the records of a hundred thousand modules."""
    from torch import nn

    from core_hooks.model.tree import build_tree

    blocks = (nn.Sequential(*(nn.Linear(1, 1) for _ in range(9))) for _ in range(MODULES // 10))
    model: nn.Module = nn.Sequential(*blocks)
    start = time.perf_counter()
    build_tree(model)
    return {"text": f"{(time.perf_counter() - start) * 1e3:.0f} ms"}


def swap(folder: str) -> dict[str, Any]:
    """Open and close again and again."""
    from core_hooks.model.opening import open_model
    from core_hooks.model.reference import ModelReference

    sizes = []
    for _ in range(SWAPS):
        opened = open_model(ModelReference(folder, dtype="bfloat16"))
        opened.close()
        sizes.append(resident())
    return {"text": f"{sizes[0] / 2**20:.0f} MiB after the first, {sizes[-1] / 2**20:.0f} MiB after the last"}


def stall(folder: str) -> dict[str, Any]:
    """Let a thread tick every millisecond while a model is opened."""
    from core_hooks.model.libraries import import_libraries
    from core_hooks.model.opening import open_model
    from core_hooks.model.reference import ModelReference

    import_libraries()
    open_model(ModelReference(folder)).close()
    gaps: list[float] = []
    done = threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not done.wait(0.001):
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    open_model(ModelReference(folder))
    done.set()
    thread.join()
    gaps.sort()
    return {
        "text": f"{gaps[-1] * 1e3:.0f} ms, the next {gaps[-2] * 1e3:.0f} ms (a tokenizer's file is read in one piece)"
    }


def tiny_config(folder: str) -> Any:
    """The model's config made small, so that building it only imports its class."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder)
    config.num_hidden_layers, config.vocab_size = 1, 8
    config.pad_token_id = config.eos_token_id = config.bos_token_id = None
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:1]
    return config


def save_random_llama(folder: Path) -> Path:
    """A random Llama of about a hundred million parameters."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def save_70b_config(folder: Path) -> Path:
    """The config of a Llama of 70 billion parameters, and nothing else."""
    from transformers import LlamaConfig

    folder.mkdir()
    LlamaConfig(
        architectures=["LlamaForCausalLM"], dtype="bfloat16", hidden_size=8192, intermediate_size=28672,
        num_hidden_layers=80, num_attention_heads=64, num_key_value_heads=8, vocab_size=128256,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def resident() -> int:
    """Resident memory of this process in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak() -> int:
    """Largest resident memory that this process ever had, in bytes."""
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measurement = {"load": load, "meta": meta, "tree": tree, "swap": swap, "stall": stall}[sys.argv[1]]
        print(json.dumps(measurement(*sys.argv[2:])))
    else:
        main()

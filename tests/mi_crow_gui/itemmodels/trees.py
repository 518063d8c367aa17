"""Module trees made from dotted names alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core_hooks.model.records import ModuleRecord, ModuleTree

if TYPE_CHECKING:
    from collections.abc import Iterable

CLASSES = {"attn": "Attention", "mlp": "MLP", "h": "ModuleList", "experts": "ModuleList", "": "Model"}


def tree_of(paths: Iterable[str], **facts: object) -> ModuleTree:
    """A tree of these names, parents before their children; the root is added."""
    names = ["", *paths]
    places = {name: place for place, name in enumerate(names)}
    children: list[list[int]] = [[] for _ in names]
    parents = [-1]
    for place, name in enumerate(names[1:], start=1):
        parents.append(places[name.rpartition(".")[0]])
        children[parents[-1]].append(place)
    return ModuleTree(
        tuple(
            ModuleRecord(
                path=name,
                class_name=CLASSES.get(name.rpartition(".")[2], "Linear"),
                parent=parents[place],
                children=tuple(children[place]),
                depth=name.count(".") + bool(name),
                parameters=1000 + place,
                **facts.get(name, {}),  # type: ignore[arg-type]
            )
            for place, name in enumerate(names)
        )
    )


def gpt(blocks: int = 4) -> ModuleTree:
    """The shape of a small GPT-2."""
    paths = ["transformer", "transformer.wte", "transformer.h"]
    for block in range(blocks):
        above = f"transformer.h.{block}"
        paths += [above, f"{above}.attn", f"{above}.attn.c_attn", f"{above}.attn.c_proj", f"{above}.mlp"]
    return tree_of([*paths, "lm_head"], lm_head={"tied_to": "transformer.wte.weight", "weight_shape": (1234, 128)})

"""Models to measure: lively random ones of several families, and plain-torch ways to look into them."""

from __future__ import annotations

import copy
import functools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.model.anatomy import Anatomy, discover
from core_hooks.model.opened import OpenedModel
from core_hooks.model.prompt import sequence
from core_hooks.model.readout import verify
from core_hooks.model.reference import ModelReference
from core_hooks.model.summary import summarise
from core_hooks.model.tree import build_tree
from tests.core_hooks.model.tiny import FAMILIES, tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core_hooks.model.tokens import TokenSequence

FOUR = ("gpt2", "llama", "qwen2", "gpt_neox")
CAUSAL = tuple(family for family in FAMILIES if family not in ("bert", "t5"))
IDS = (3, 5, 7, 9, 11, 3, 5)
OTHER = (3, 5, 40, 9, 11, 3, 5)


@dataclass(frozen=True)
class Subject:
    opened: OpenedModel
    anatomy: Anatomy

    @property
    def model(self) -> Any:
        return self.opened.model

    def tokens(self, ids: tuple[int, ...] | list[int] = IDS) -> TokenSequence:
        return sequence(self.opened, list(ids))

    def logits(self, ids: tuple[int, ...] | list[int] = IDS) -> torch.Tensor:
        """The model's own logits [tokens, vocabulary], by a plain forward."""
        with torch.no_grad():
            return self.model(input_ids=torch.tensor([list(ids)])).logits[0]

    def loss(self, ids: tuple[int, ...] | list[int] = IDS) -> float:
        return float(torch.nn.functional.cross_entropy(self.logits(ids)[:-1], torch.tensor(list(ids)[1:])))

    def module(self, path: str) -> Any:
        return self.model.get_submodule(path)


def subject_of(model: Any) -> Subject:
    tree = build_tree(model)
    summary = summarise(model, tree, ModelReference("x"), "x", False)
    opened = OpenedModel(model.requires_grad_(False), None, tree, summary)
    return Subject(opened, verify(opened, discover(opened)))


@functools.cache
def lively(family: str) -> Subject:
    """A random model whose parts matter: fresh weights are so small that most changes would drown in rounding."""
    model = copy.deepcopy(tiny_model(family))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.mul_(5)
    return subject_of(model)


@contextmanager
def hooked(module: Any, change: Callable[[torch.Tensor], torch.Tensor | None], before: bool = False) -> Iterator[None]:
    """A plain torch hook that replaces the first tensor a module returns (or is given) by a function of it."""

    def after_hook(_: Any, args: Any, output: Any) -> Any:
        if isinstance(output, torch.Tensor):
            return change(output)
        new = change(output[0])
        return None if new is None else (new, *output[1:])

    def before_hook(_: Any, args: Any) -> Any:
        new = change(args[0])
        return None if new is None else (new, *args[1:])

    handle = module.register_forward_pre_hook(before_hook) if before else module.register_forward_hook(after_hook)
    try:
        yield
    finally:
        handle.remove()


def held(subject: Subject, path: str, before: bool = False, ids: tuple[int, ...] | list[int] = IDS) -> torch.Tensor:
    """What a module returns (or is given) in a plain forward, [tokens, channels]."""
    found: list[torch.Tensor] = []
    with hooked(subject.module(path), lambda tensor: found.append(tensor.clone()), before):
        subject.logits(ids)
    return found[0].reshape(len(ids), -1)

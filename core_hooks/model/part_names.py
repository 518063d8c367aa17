"""What part of a model each of its modules is, in one word."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.records import ModuleTree


def part_names(tree: ModuleTree, anatomy: Anatomy) -> dict[str, str]:
    """Return for every dotted name what it is.

    One of ``"model"``, ``"embedding"``, ``"block"``, ``"attention"``, ``"cross attention"``, ``"output projection"``,
    ``"mlp"``, ``"norm"``, ``"final norm"``, ``"unembedding"``; where the anatomy does not know it, the name of the
    module's class.
    """
    names = {record.path: record.class_name for record in tree}
    found = {anatomy.embedding: "embedding", anatomy.final_norm: "final norm", anatomy.unembedding: "unembedding"}
    for block in (*anatomy.encoder_blocks, *anatomy.blocks):
        found.update(dict.fromkeys(block.norms, "norm"))
        found[block.mlp] = "mlp"
        found[block.output_projection] = "output projection"
        found[block.cross_attention] = "cross attention"
        found[block.attention] = "attention"
        found[block.path] = "block"
    names.update({path: part for path, part in found.items() if path in names})
    names[""] = "model"
    return names

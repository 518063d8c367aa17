"""``core-hooks info`` and ``core-hooks tree``: what a model is, without reading its weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from core_hooks.command_line.output import CommandError, bytes_text, print_json, print_table
from core_hooks.command_line.sites import matches

if TYPE_CHECKING:
    import argparse

    from core_hooks.model.records import ModuleRecord
    from core_hooks.model.reference import ModelReference


def info(arguments: argparse.Namespace, reference: ModelReference) -> None:
    """Print what is known of a model, and whether it fits into the memory that is free."""
    from core_hooks.model.estimate import estimate
    from core_hooks.model.opening import outline

    found = outline(reference)
    summary, checkpoint = found.summary(reference), found.checkpoint
    needs = estimate(reference)
    facts: dict[str, Any] = {
        "name": summary.name,
        "folder": str(checkpoint.folder),
        "architecture": summary.architecture,
        "parameters": summary.parameters,
        "dtype": summary.dtype,
        "memory needed": needs.needed,
        "memory free": needs.free,
        "device": needs.device,
        "weights": [path.name for path in checkpoint.weights],
        "blocks": summary.blocks,
        "heads": summary.heads,
        "width": summary.width,
        "vocabulary": summary.vocabulary,
        "context": summary.context_length,
        "tokenizer": summary.has_tokenizer,
        "modules": len(found.tree()),
    }
    if arguments.json:
        print_json({key.replace(" ", "_"): value for key, value in facts.items()})
        return
    for key, value in facts.items():
        print(f"{key:<14}{_text(key, value)}")
    if checkpoint.missing:
        print(f"{'note':<14}{checkpoint.missing}")


def tree(arguments: argparse.Namespace, reference: ModelReference) -> None:
    """Print the module hierarchy, whole or the modules that match."""
    from core_hooks.model.opening import open_tree

    records = list(open_tree(reference))
    if arguments.grep is not None:
        records = [record for record in records if matches(arguments.grep, record.path, record.class_name)]
        if not records:
            raise CommandError(f"No module of {reference.source} matches {arguments.grep!r}; see `core-hooks tree`.")
    if arguments.json:
        print_json([_as_json(record) for record in records])
        return
    flat = arguments.grep is not None
    print_table(
        ("module", "class", "parameters", "weight", "dtype", ""),
        [
            (
                record.path if flat else "  " * record.depth + (record.name or "(model)"),
                record.class_name,
                f"{record.parameters:,}" if record.parameters else "",
                "×".join(str(extent) for extent in record.weight_shape),
                record.dtype,
                _remark(record),
            )
            for record in records
        ],
        numbers=("parameters",),
    )


def _as_json(record: ModuleRecord) -> dict[str, Any]:
    fields = asdict(record)
    del fields["parent"], fields["children"], fields["device"]
    return fields


def _remark(record: ModuleRecord) -> str:
    if record.shared_with:
        return f"same module as {record.shared_with}"
    return f"tied to {record.tied_to}" if record.tied_to else ""


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.startswith("memory"):
        return bytes_text(value)
    if isinstance(value, list):
        return ", ".join(value) if len(value) < 4 else f"{value[0]} and {len(value) - 1} more"
    return f"{value:,}" if isinstance(value, int) and value else str(value or "none")

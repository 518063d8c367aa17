"""What the parts of a model are: blocks, attention and its heads, MLP, norms, embedding and unembedding.

Plain records without torch, found by `discover` from the module tree and the config of any architecture, and
correctable by hand where the search is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from core_hooks.model.opened import OpenedModel


@dataclass(frozen=True, slots=True)
class Block:
    """One layer of the residual stack; a path is ``""`` where the architecture has no such part.

    Attributes
    ----------
    path
        The block itself; what it returns is the residual stream after it.
    attention
        The module whose output is what attention adds to the residual stream. A few architectures put a norm
        after it, or add the stream inside it; `output_projection` gives the heads' part in all of them.
    cross_attention
        The same for attention over an encoder's output.
    output_projection
        The linear layer that mixes the heads; head ``i`` is a slice of its input.
    mlp
        The module whose output is what the feed-forward part adds to the residual stream.
    norms
        The normalisations over the residual width, in the model's order.
    n_heads, n_kv_heads
        Number of query heads, and of key and value heads (fewer with grouped queries); 0 when not found.
    head_dim
        Channels of one head in the input of `output_projection`; 0 when not found.
    """

    path: str
    attention: str = ""
    cross_attention: str = ""
    output_projection: str = ""
    mlp: str = ""
    norms: tuple[str, ...] = ()
    n_heads: int = 0
    n_kv_heads: int = 0
    head_dim: int = 0

    def head(self, index: int) -> slice:
        """Return the channels of head `index` in the input of the output projection.

        Raises
        ------
        ValueError
            The block has no heads, or none of that number.
        """
        if not 0 <= index < self.n_heads or not self.head_dim:
            raise ValueError(f"Block {self.path!r} has no head {index}; it has {self.n_heads}.")
        return slice(index * self.head_dim, (index + 1) * self.head_dim)

    @property
    def head_slices(self) -> tuple[slice, ...]:
        """The channels of every head in the input of the output projection."""
        return tuple(self.head(index) for index in range(self.n_heads)) if self.head_dim else ()

    def key_value_head(self, index: int) -> int:
        """Return the key and value head that query head `index` reads."""
        return index * self.n_kv_heads // self.n_heads


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The parts of one model.

    Attributes
    ----------
    blocks
        The layers of the stack that the logits are read from: the decoder's in an encoder-decoder.
    encoder_blocks
        The layers of the encoder in an encoder-decoder.
    embedding
        The module that turns token ids into vectors.
    final_norm
        The normalisation between the last block and the unembedding; ``""`` when each block ends normalised.
    unembedding
        The linear layer that gives a logit for each word.
    readout
        The modules that turn the normalised residual stream into logits, called in turn: the unembedding alone
        or, where more than that lies behind the last block (as in BERT), what contains or precedes it.
    logit_scale
        Factor between what `readout` gives and the model's logits; known after `core_hooks.model.readout.verify`.
    logit_offset
        Path of a tensor, one number a word, that is added to what `readout` gives times the factor; ``""`` for none.
    logit_softcap
        Where not 0, logits ``x`` become ``cap * tanh(x / cap)``.
    width
        Channels of the residual stream.
    reasons
        What was not found, as ``(part, sentence)``: ``("heads", "...")``, ``("unembedding", "...")``; a view that
        needs the part is switched off with the sentence.
    """

    blocks: tuple[Block, ...] = ()
    encoder_blocks: tuple[Block, ...] = ()
    embedding: str = ""
    final_norm: str = ""
    unembedding: str = ""
    readout: tuple[str, ...] = ()
    logit_scale: float = 1.0
    logit_offset: str = ""
    logit_softcap: float = 0.0
    width: int = 0
    reasons: tuple[tuple[str, str], ...] = ()

    @property
    def residual_sites(self) -> tuple[str, ...]:
        """Modules whose outputs are the residual stream after each block."""
        return tuple(block.path for block in self.blocks)

    def lacks(self, part: str) -> str:
        """Return the sentence why `part` is missing, ``""`` when it is there."""
        return next((sentence for name, sentence in self.reasons if name == part), "")

    def with_(self, **changes: Any) -> Anatomy:
        """Return a copy with some fields corrected by hand; a reason for a part named in it is dropped."""
        kept = tuple(reason for reason in self.reasons if reason[0] not in changes)
        return replace(self, **{"reasons": kept, **changes})

    def with_block(self, index: int, **changes: Any) -> Anatomy:
        """Return a copy with some fields of one block corrected by hand."""
        blocks = list(self.blocks)
        blocks[index] = replace(blocks[index], **changes)
        return self.with_(blocks=tuple(blocks))

    def without(self, part: str, sentence: str) -> Anatomy:
        """Return a copy that lacks `part`, with the reason."""
        kept = tuple(reason for reason in self.reasons if reason[0] != part)
        return replace(self, reasons=(*kept, (part, sentence)))


def discover(model: OpenedModel | nn.Module) -> Anatomy:
    """Return the parts of `model`, found from its modules and its config; weights are not read, meta is welcome.

    What was named by hand in the `ModelReference` of an opened model comes last; a ModelError says what is wrong
    with it.

    Plugins under the entry point ``core_hooks.anatomy`` may add to what was found: callables that are given
    the model and its anatomy and return an anatomy.
    """
    from core_hooks.model.anatomy_search import search

    # An opened model is known by its summary: importing its class here would import torch.
    opened: Any = model if hasattr(model, "summary") else None
    root: Any = model if opened is None else opened.model
    found = search(root)
    parts = dict(opened.summary.reference.parts) if opened is not None else {}
    if not parts:
        return found
    from core_hooks.hooks.compiled import unwrap
    from core_hooks.model.anatomy_correction import corrected

    return corrected(unwrap(root), found, parts)

"""What a person asked to open, and with which choices: plain data that a session file can hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model by name and the choices made before opening it.

    Attributes
    ----------
    source
        A folder, a ``.safetensors`` or ``.gguf`` file, a hub id, one ``.gguf`` of a hub id (``org/name/file.gguf``), or
        ``package.module:factory``.
    device
        ``"cpu"``, ``"cuda:0"``, ``"mps"``, ``"auto"`` (placed over several devices by accelerate).
    dtype
        ``"auto"`` (as stored), ``"float32"``, ``"float16"``, ``"bfloat16"``.
    attention
        ``"auto"``, ``"eager"``, ``"sdpa"``, ...; attention weights exist only with ``"eager"``.
    quantisation
        ``"none"``, or how the weights are kept in fewer bits: a name of `core_hooks.model.quantisation`.
    parts
        Parts of the model named by hand, as (part, path) pairs; see `core_hooks.model.anatomy_correction`.
    trust_code
        The person agreed to run Python code that comes with the model.
    """

    source: str
    device: str = "cpu"
    dtype: str = "auto"
    attention: str = "auto"
    trust_code: bool = False
    quantisation: str = "none"
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class OpenProgress:
    """How far an opening is: `done` of `total` in `unit` (``"bytes"``, ``"tensors"``); total 0 means unknown."""

    text: str
    done: int = 0
    total: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What is known of an opened model, without the model: for status bars, captures and other threads.

    Attributes
    ----------
    name
        Short name for people (folder name, hub id).
    architecture
        Class name of the root module.
    parameters, bytes
        Parameter elements and their size in bytes.
    context_length, vocabulary, blocks, heads, width
        0 when the architecture has no such number.
    has_tokenizer
        False when prompts can be given only as token ids.
    attention
        The attention implementation in use, ``""`` if the architecture has none.
    """

    reference: ModelReference
    name: str
    architecture: str
    device: str
    dtype: str
    parameters: int
    bytes: int
    context_length: int = 0
    vocabulary: int = 0
    blocks: int = 0
    heads: int = 0
    width: int = 0
    has_tokenizer: bool = True
    attention: str = ""

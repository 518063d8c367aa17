"""What a controller may know besides its tensor: the second argument of ``def control(x, ctx)``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.model.batch import TokenBatch
from core_hooks.model.captured_values import ControllerError, KeptRunView, how_to_capture, taken, unknown_site, value_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from core_hooks.model.captured_values import RunValues
    from core_hooks.model.tokens import TokenSequence

_NOTHING = torch.empty(0)


class Surroundings:
    """What all controllers of a model share: its tokenizer and parts, where vectors lie, and the runs to look at.

    Attributes
    ----------
    tokenizer
        The model's, None if it has none.
    kinds
        What part of the model a site is, by dotted name; see `core_hooks.model.part_names`.
    sites
        Every dotted name of the model.
    vector_folders
        Where a vector that is named without a path is looked for.
    run
        The run at hand, None where there is none.
    kept
        Runs that were kept, by the name they are pinned under.
    """

    def __init__(
        self,
        tokenizer: Any = None,
        kinds: Mapping[str, str] | None = None,
        sites: Collection[str] = (),
        vector_folders: Iterable[Path] = (),
    ) -> None:
        self.tokenizer = tokenizer
        self.kinds: Mapping[str, str] = kinds or {}
        self.sites = sites
        self.vector_folders = tuple(vector_folders)
        self.run: RunValues | None = None
        self.kept: Mapping[str, RunValues] = {}
        self._vectors: dict[tuple[Path, int, int], torch.Tensor] = {}

    def vector(self, name_or_path: str) -> torch.Tensor:
        """Return the vector in a safetensors file, float32 on the CPU; read once until the file changes.

        Raises
        ------
        ControllerError
            There is no such file, or it holds no vector.
        """
        path = self._vector_path(name_or_path)
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size)
        if key not in self._vectors:
            self._vectors[key] = _read_vector(path)
        return self._vectors[key]

    def _vector_path(self, name_or_path: str) -> Path:
        given = Path(name_or_path).expanduser()
        folders = (Path(), *self.vector_folders) if not given.is_absolute() else (Path(),)
        for folder in folders:
            for path in (folder / given, folder / f"{given}.safetensors"):
                if path.is_file():
                    return path.resolve()
        looked = f" It was looked for in {', '.join(map(str, self.vector_folders))} too." if len(folders) > 1 else ""
        raise ControllerError(
            f"There is no vector '{name_or_path}': save one from the steering experiment, or give the path of a "
            f".safetensors file.{looked if self.vector_folders else ''}"
        )


class RunNumber(int):
    """The number of the run; called with the name of a pinned run it gives that run."""

    context: ControllerContext

    def __call__(self, name: str) -> KeptRunView:
        """Return the run that is pinned as `name`, "A" or "B".

        Raises
        ------
        ControllerError
            No run is pinned under that name.
        """
        return self.context._kept_run(name)


@dataclass(frozen=True, slots=True)
class ContextRow:
    """One prompt of the forward at hand: ``x[index, columns]`` are the values of its tokens, the rest is padding.

    Attributes
    ----------
    index
        Its place in `x`.
    prompt
        Its number in the batch, from 0: the same as `index`, but where a prompt of a batch is computed alone, as for
        a view of one of them.
    tokens, token_ids
        Every token of it so far.
    positions, columns
        Positions in its own sequence that `x` covers, and where along the token axis of `x` they lie. Equally long;
        empty in steps after the prompt has ended.
    """

    index: int
    prompt: int
    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    positions: range
    columns: range


@dataclass(slots=True)
class ControllerContext:
    """What a controller may know besides its tensor; `ctx` in ``def control(x, ctx)``.

    Attributes
    ----------
    layer
        Dotted name of the module.
    kind
        What part of the model it is: "block", "attention", "mlp", "norm", ...; else the name of its class.
    step
        0 for the prompt, n for the n-th generated token.
    run
        Number of the run; ``ctx.run("A")`` is the run that is pinned as A.
    tokens
        Text of every token so far; the last ``x.shape[1]`` of them are those of `x`.
    token_ids
        Their vocabulary ids.
    positions
        Range of sequence positions that `x` covers.
    rows
        The same of each prompt, a `ContextRow` each: one for a single prompt. Where a batch has several, these alone
        tell its tokens: `tokens` and `token_ids` are empty, and `positions` are the columns of `x`.
    prompt_length
        How many of the tokens are the prompt's; of a batch, those of its longest.
    state
        A dict of the controller's own that lives for the run.
    strength
        A number that a slider changes while the model runs.
    tokenizer
        The model's tokenizer, None if it has none.
    """

    layer: str
    kind: str = ""
    step: int = 0
    run: RunNumber = field(default_factory=RunNumber)
    tokens: tuple[str, ...] = ()
    token_ids: tuple[int, ...] = ()
    positions: range = range(0)
    rows: tuple[ContextRow, ...] = ()
    prompt_length: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    strength: float = 1.0
    tokenizer: Any = None
    _surroundings: Surroundings = field(default_factory=Surroundings, repr=False)
    _like: torch.Tensor = field(default=_NOTHING, repr=False)
    # Where `x` stands along the token axis of what the run captured.
    _span: range = field(default=range(0), repr=False)
    _lengths: tuple[int, ...] = field(default=(), repr=False)  # of each prompt

    def capture(self, site: str, positions: int | Iterable[int] | None = None, where: str = "output") -> torch.Tensor:
        """What a detector captured at another site in this run, at the tokens of `x`, on its device and of its dtype.

        Parameters
        ----------
        site
            Dotted name.
        positions
            Other tokens than those of `x`, e.g. ``range(ctx.positions.stop)`` for all so far.
        where
            ``"input"`` for what went into the module.

        Raises
        ------
        ControllerError
            The site is not captured, or not reached yet in this forward.
        """
        around = self._surroundings
        found = around.run.find(site, where) if around.run is not None else None
        if found is None:
            if around.sites and site not in around.sites:
                raise ControllerError(unknown_site(site, around.sites))
            raise ControllerError(
                f"There is no {value_of(site, where)} yet: {how_to_capture(where)}, and see that it comes before "
                f"'{self.layer}' in the model."
            )
        later = (
            f"'{site}' has no value for this token yet: the model comes to it after '{self.layer}'; only earlier "
            "tokens can be asked for, with positions=."
        )
        return taken(found, self._span if positions is None else positions, self._like, f"'{site}'", later)

    def vector(self, name_or_path: str) -> torch.Tensor:
        """A steering vector that was saved as safetensors, on the device of `x` and of its dtype.

        Raises
        ------
        ControllerError
            There is no such file, or it holds no vector, or one of another length than `x` has channels.
        """
        vector = self._surroundings.vector(name_or_path)
        like = self._like
        if like.dim() and like.shape[-1] != len(vector):
            raise ControllerError(
                f"The vector '{name_or_path}' has {len(vector)} channels, and x {like.shape[-1]}: it was made for "
                "another site or another model."
            )
        return vector.to(device=like.device, dtype=like.dtype if like.dtype.is_floating_point else None, copy=True)

    def _kept_run(self, name: str) -> KeptRunView:
        kept = self._surroundings.kept
        if name not in kept:
            pinned = " and ".join(sorted(kept)) or "none"
            raise ControllerError(
                f"No run is pinned as '{name}' (pinned: {pinned}): pin one in the history, then run again."
            )
        rows = {row.prompt: (row.positions, self._lengths[row.index]) for row in self.rows}
        return KeptRunView(name, kept[name], self._span, self.prompt_length, self._like, rows)

    def _begin(self, run: int, tokens: TokenSequence | TokenBatch, state: dict[str, Any]) -> None:
        number = RunNumber(run)
        number.context = self
        self.run, self.state = number, state
        rows = tokens.rows if isinstance(tokens, TokenBatch) else (tokens,)
        self._lengths = tuple(map(len, rows))
        self.prompt_length = max(self._lengths, default=0)
        self._set_step(0, tokens, ())

    def _set_prompt_length(self, tokens: int) -> None:
        """Some of the tokens that it began with were generated before."""
        generated = self.prompt_length - tokens
        self._lengths = tuple(length - generated for length in self._lengths)
        self.prompt_length = tokens

    def _set_step(self, step: int, tokens: TokenSequence | TokenBatch, ended: Collection[int]) -> None:
        self.step = step
        batch = tokens if isinstance(tokens, TokenBatch) else TokenBatch((tokens,))
        self.rows = tuple(_context_row(number, step, batch, number in ended) for number in range(len(batch.rows)))
        if len(self.rows) == 1:
            (row,) = self.rows
            self.tokens, self.token_ids, self.positions = row.tokens, row.token_ids, row.positions
            self._span = row.positions
        else:
            self.tokens, self.token_ids = (), ()
            self.positions = range(batch.width) if step == 0 else range(1)
            end = self.prompt_length + step
            self._span = self.positions if step == 0 else range(end - 1, end)


def _context_row(number: int, step: int, batch: TokenBatch, ended: bool) -> ContextRow:
    tokens = batch.rows[number]
    if step == 0:
        positions, columns = range(len(tokens)), batch.spans[number]
    elif ended:
        positions, columns = range(0), range(0)
    else:
        positions, columns = range(len(tokens) - 1, len(tokens)), range(1)
    return ContextRow(number, batch.number + number, tokens.texts, tokens.ids, positions, columns)


def _read_vector(path: Path) -> torch.Tensor:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ControllerError(f"'{path}' is no safetensors file that can be read: {error}") from error
    vectors = [tensor for tensor in tensors.values() if tensor.dim() == 1 and tensor.is_floating_point()]
    found = tensors.get("vector", vectors[0] if len(vectors) == 1 else None)
    if found is None or found.dim() != 1 or not found.is_floating_point():
        raise ControllerError(f"'{path}' holds no vector: it needs one tensor of one dimension, named 'vector'.")
    if not bool(torch.isfinite(found).all()):
        raise ControllerError(f"The vector in '{path}' holds NaN or infinity.")
    return found.float()

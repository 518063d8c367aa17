"""What views that can be seen are shown of a generation while it goes on, at a small share of its time."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from core_hooks.analysis.attention import eager_attention, eager_nowhere_else
from core_hooks.analysis.following import Following
from core_hooks.analysis.plain_mask import plain_masks
from core_hooks.model.errors import ModelError
from mi_crow_gui.engine.analyses import anatomy_of, word_id
from mi_crow_gui.engine.live_pieces import AT_ONCE, LiveAttention, LiveLens, LiveNorms
from mi_crow_gui.engine.messages import LIVE, LiveContents, LookedAt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core_hooks.capture.mailbox import Mailbox
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence, TokenStep
    from mi_crow_gui.engine.attachments import Attachments
    from mi_crow_gui.engine.live_pieces import LivePiece
    from mi_crow_gui.engine.live_share import LiveShare
    from mi_crow_gui.engine.messages import Followed, RunInfo

log = logging.getLogger(__name__)

LENS, ATTENTION, NORMS = "logit_lens", "attention", "residual_norms"
# Of the time of a generation, what goes into reading words and what into pictures; and what is granted at its
# beginning, in seconds. To a model that is quick its hooks cost more than all of that: it has less left for both.
_READING, _SHOWING, _CREDIT = 0.02, 0.015, 0.003
_OF_QUICK = 0.5  # of either share
_QUICK = 0.01  # seconds a token
_PAUSE = 0.048  # seconds after which what the hooks kept is taken in
_LARGEST = 1 << 27  # bytes of attention of a block that are kept while a run goes on


class LiveViews:
    """Follows one generation for those views that somebody looks at; a context manager, on the model thread.

    Attention weights exist only where attention is computed 'eager': the model is switched as long as attention is
    looked at, and `switched_from` says so. What goes wrong here never ends the run.

    Parameters
    ----------
    looked_at
        Gives the analyses that can be seen, and the prompt of a batch they are about; asked before every forward.
    attachments
        The user's hooks, which look away while the model is run to learn its parts.
    share
        Says when somebody wants to see the newest step.
    """

    def __init__(
        self,
        opened: OpenedModel,
        info: RunInfo,
        mailbox: Mailbox[str, object],
        looked_at: Callable[[], LookedAt],
        attachments: Attachments,
        share: LiveShare,
    ) -> None:
        self._opened, self._info, self._mailbox, self._looked_at = opened, info, mailbox, looked_at
        self._attachments, self._share = attachments, share
        self._wishes = LookedAt()
        self._asked: LookedAt | None = None
        self._pieces: dict[Followed, LivePiece] = {}
        self._following: Following | None = None
        self._switch, self._spared = ExitStack(), ExitStack()
        self._eager = False
        self._broken = False
        self.switched_from = self._implementation = ""
        self._began = self._taken_in_at = time.perf_counter()
        self._read_for, self._showed_for = 0.0, 0.0
        self._amount = 1
        self._forwards = 0

    def __enter__(self) -> LiveViews:
        self._guarded(self._take_wishes, self._info.prompts)
        self._began = time.perf_counter()
        return self

    def __exit__(self, *exc: object) -> None:
        self._let_go()

    def forwarded(self, rows: Sequence[TokenSequence], steps: Sequence[TokenStep | None]) -> None:
        """A forward has ended, after which these were fed; of a prompt without a step that was padding."""
        self._forwards += 1
        self._guarded(self._look, rows, steps)
        self._guarded(self._take_wishes, rows)

    def _guarded(self, act: Callable[..., None], *given: object) -> None:
        if self._broken:
            return
        try:
            act(*given)
        except Exception:
            self._broken = True
            log.exception("The views of run %s are not followed any further.", self._info.number)
            self._let_go()

    def _let_go(self) -> None:
        if self._following is not None:
            self._following.close()
            self._following = None
        self._end_eager()
        self._share.burdened = False

    def _take_wishes(self, rows: Sequence[TokenSequence]) -> None:
        looked_at = self._looked_at()
        if looked_at is self._asked:
            return
        self._asked = looked_at
        looked_at = replace(looked_at, prompt=max(0, min(looked_at.prompt, len(rows) - 1)))
        if looked_at == self._wishes:
            return
        self._take_in()
        if looked_at.prompt != self._wishes.prompt:
            # Of another prompt nothing was kept: it is followed from here on.
            self._pieces = {}
        self._wishes, wishes = looked_at, looked_at.views
        if self._following is not None:
            self._following.close()
            self._following = None
        self._share.burdened = False
        if wishes:
            # The first time, the model is run for it.
            with self._attachments.aside(0, None):
                anatomy_of(self._opened)
        kept, self._pieces = self._pieces, {}
        for wish in wishes:
            piece = kept.get(wish) or self._piece(wish, len(rows[looked_at.prompt]) + 1)
            if piece is not None:
                self._pieces[wish] = piece
        blocks = {self._block(wish) for wish, piece in self._pieces.items() if isinstance(piece, LiveAttention)}
        self._spared.close()
        if self._eager and not blocks:
            self._end_eager()
        if self._eager:
            others = [block.attention for block in anatomy_of(self._opened).blocks if block.attention]
            watched = {anatomy_of(self._opened).blocks[block].attention for block in blocks}
            spared = [path for path in others if path not in watched]
            self._spared.enter_context(eager_nowhere_else(self._opened, self._implementation, spared))
        stream = any(not isinstance(piece, LiveAttention) for piece in self._pieces.values())
        if self._pieces:
            anatomy = anatomy_of(self._opened)
            self._following = Following(
                self._opened.model,
                anatomy,
                stream=stream,
                attention=sorted(blocks),
                row=looked_at.prompt,
                rows=len(rows),
            )

    def _piece(self, wish: Followed, tokens: int) -> LivePiece | None:
        """What follows a view; None where it can't be followed: it is computed when the run has ended, or says why."""
        name, parameters = wish
        anatomy = anatomy_of(self._opened)
        if not anatomy.blocks:
            return None
        try:
            if name == NORMS:
                return LiveNorms()
            if name == LENS:
                if anatomy.lacks("unembedding") or not anatomy.readout:
                    return None
                return LiveLens(self._opened, anatomy, word_id(self._opened, str(dict(parameters).get("word", ""))))
            if name == ATTENTION:
                block = anatomy.blocks[self._block(wish)] if self._block(wish) < len(anatomy.blocks) else None
                if block is None or not block.attention or 4 * block.n_heads * tokens**2 > _LARGEST:
                    return None
                self._make_eager()
                return LiveAttention(anatomy, self._block(wish), self.switched_from)
        except ModelError as error:
            log.info("%s", error)
        return None

    def _block(self, wish: Followed) -> int:
        block = dict(wish[1])["block"]
        assert isinstance(block, int)
        return block

    def _make_eager(self) -> None:
        if not self._eager:
            self._implementation = self._switch.enter_context(eager_attention(self._opened))
            self.switched_from = self._implementation or self.switched_from
            self._switch.enter_context(plain_masks())
            self._eager = True

    def _end_eager(self) -> None:
        self._spared.close()
        self._switch.close()
        self._eager = False

    def _look(self, rows: Sequence[TokenSequence], steps: Sequence[TokenStep | None]) -> None:
        if self._following is None:
            return
        prompt = self._wishes.prompt
        texts = rows[prompt].texts
        if steps[prompt] is None:
            self._following.ended(None)
            return
        self._following.ended(len(texts))
        # For a small model what is done at every token would be felt: several are taken in together.
        if not self._share.wanted and time.perf_counter() - self._taken_in_at < _PAUSE:
            return
        self._share.burdened = self._is_quick()
        self._take_in()
        self._read()
        self._show(texts)

    def _take_in(self) -> None:
        """Hand what was left since the last time to the views."""
        forwards = self._following.take() if self._following is not None else []
        streams: list[list[torch.Tensor]] = []
        first = end = 0
        for forward in forwards:
            stream, new = forward.stream, len(forward.stream[0]) if forward.stream else 0
            if stream is None or new > forward.fed:
                # What follows a gap would be taken for what is missing.
                streams.clear()
                continue
            if not streams or new == forward.fed or forward.fed - new != end:
                # A model that remembers nothing goes over all tokens again.
                streams.clear()
                first = forward.fed - new
            streams.append(stream)
            end = forward.fed
        if streams:
            whole = torch.stack([torch.cat(parts) for parts in zip(*streams, strict=True)])
            for piece in self._pieces.values():
                if isinstance(piece, LiveNorms | LiveLens):
                    piece.add(whole, first)
        for forward in forwards:
            for wish, piece in self._pieces.items():
                if isinstance(piece, LiveAttention) and self._block(wish) in forward.weights:
                    piece.add(forward.weights[self._block(wish)], forward.fed)
        self._taken_in_at = time.perf_counter()

    def _granted(self, share: float) -> float:
        """Seconds that may have been spent by now."""
        return _CREDIT + share * (time.perf_counter() - self._began) * (_OF_QUICK if self._is_quick() else 1)

    def _is_quick(self) -> bool:
        """Whether the model writes so quickly that what hooks take of a token is felt."""
        return time.perf_counter() - self._began < _QUICK * self._forwards

    def _read(self) -> None:
        for piece in self._pieces.values():
            left = self._granted(_READING) - self._read_for
            if isinstance(piece, LiveLens) and piece.waiting and left > 0:
                began = time.perf_counter()
                piece.read(self._amount)
                took = time.perf_counter() - began
                self._read_for += took
                # Several at once may cost hardly more than one: that is found out by trying.
                self._amount = min(AT_ONCE, 2 * self._amount) if took < left else max(1, self._amount // 2)

    def _show(self, texts: tuple[str, ...]) -> None:
        now = time.perf_counter()
        if not self._share.wanted or self._showed_for >= self._granted(_SHOWING):
            return
        self._share.wanted = False
        step = self._info.continued + len(texts) - len(self._info.prompts[self._wishes.prompt])
        contents = {wish: piece.content(self._info.number, texts, step) for wish, piece in self._pieces.items()}
        self._mailbox.put(LIVE, (self._info.number, LiveContents(self._wishes.prompt, contents)))
        self._showed_for += time.perf_counter() - now

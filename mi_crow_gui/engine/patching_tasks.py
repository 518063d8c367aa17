"""Patching on the model thread: the two prompts as pairs of tokens, the map, and a single place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.document.experiment_settings import HEADS, PatchingSettings
from mi_crow_gui.engine.tasks import ModelTask
from mi_crow_gui.plotdata.analysis import frozen
from mi_crow_gui.plotdata.patching import Patches, PromptPair, Sent

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.tasks import TaskDesk
    from mi_crow_gui.plotdata.patching import Cell


@dataclass(frozen=True, slots=True)
class PairTask(ModelTask):
    """Lay two prompts side by side for the plot `plot_id`: gives `Patches` in which nothing was measured yet."""

    plot_id: str
    settings: PatchingSettings

    @property
    def title(self) -> str:
        """What the status bar says."""
        return "Aligning the prompts"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> Patches:
        """Read both."""
        from core_hooks.model.prompt import encode
        from mi_crow_gui.engine.analyses import anatomy_of

        clean, corrupted = encode(opened, self.settings.clean), encode(opened, self.settings.corrupted)
        blocks = anatomy_of(opened).blocks
        heads = max((block.n_heads for block in blocks), default=0)
        columns = heads if self.settings.part == HEADS else len(clean)
        empty = frozen(np.full((len(blocks), columns), np.nan, np.float32))
        pair, asked = prompt_pair(clean, corrupted), self.settings.question()
        assert isinstance(asked, PatchingSettings)
        return Patches(0, clean.texts, asked, 0, {}, pair, empty, False, "", (), 0.0, 0.0, ())


@dataclass(frozen=True, slots=True)
class SendTask(ModelTask):
    """Put one place of the clean run into the corrupted one, for the plot `plot_id`; gives `Sent`."""

    plot_id: str
    settings: PatchingSettings
    source: Cell
    target: Cell

    @property
    def title(self) -> str:
        """What the status bar says."""
        return "Patching one place"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> Sent:
        """Run the one forward."""
        from core_hooks.analysis.patching import patch_one
        from core_hooks.model.forward import top_candidates
        from core_hooks.model.prompt import encode, token_text
        from mi_crow_gui.engine.analyses import anatomy_of, word_id

        asked = self.settings
        found = patch_one(
            opened,
            anatomy_of(opened),
            encode(opened, asked.clean),
            encode(opened, asked.corrupted),
            self.source,
            self.target,
            asked.part,  # type: ignore[arg-type]
            asked.metric,  # type: ignore[arg-type]
            words=(word_id(opened, asked.right), word_id(opened, asked.wrong)),
            cancel=desk.cancel,
        )
        return Sent(
            asked,
            self.source,
            self.target,
            found.metric,
            tuple(token_text(opened, word) for word in found.words),
            found.clean,
            found.corrupted,
            found.patched,
            found.recovered,
            tuple(top_candidates(opened, found.before)),
            tuple(top_candidates(opened, found.after)),
        )


def patches(opened: OpenedModel, settings: PatchingSettings, desk: TaskDesk) -> Patches:
    """Put every place of the clean run into the corrupted one in turn."""
    from core_hooks.analysis.parts import handles_of
    from core_hooks.analysis.patching import PARTS, patch
    from core_hooks.model.prompt import encode, token_text
    from mi_crow_gui.engine.analyses import anatomy_of, word_id

    anatomy = anatomy_of(opened)
    clean, corrupted = encode(opened, settings.clean), encode(opened, settings.corrupted)
    found = patch(
        opened,
        anatomy,
        clean,
        corrupted,
        settings.part,  # type: ignore[arg-type]
        settings.metric,  # type: ignore[arg-type]
        words=(word_id(opened, settings.right), word_id(opened, settings.wrong)),
        on_progress=desk.progress,
        cancel=desk.cancel,
    )
    handles = handles_of(opened, anatomy, PARTS[settings.part], clean, desk.cancel)  # type: ignore[index]
    return Patches(
        0,
        clean.texts,
        settings.question(),
        len(desk.attachments.controlled()),
        found.failures,
        prompt_pair(clean, corrupted),
        frozen(found.recovered),
        True,
        found.metric,
        tuple(token_text(opened, word) for word in found.words),
        found.clean,
        found.corrupted,
        tuple(row[0].site.path if row else "" for row in handles),
    )


def prompt_pair(clean: TokenSequence, corrupted: TokenSequence) -> PromptPair:
    """The tokens of two prompts over each other, and where that does not work out."""
    from core_hooks.analysis.alignment import align, insist_on_one_to_one
    from core_hooks.model.errors import ModelError

    found = align(clean.ids, corrupted.ids)
    columns = [(int(above), int(below)) for above, below in found.pairs]
    for gap in found.gaps:
        columns += [(above, -1) for above in range(*gap.first)] + [(-1, below) for below in range(*gap.second)]
    # In the order of reading: what has no partner comes behind what stands before it in its own prompt.
    done_above = done_below = 0
    ordered: list[tuple[int, int]] = []
    waiting = set(columns)
    while waiting:
        candidates = [
            column for column in ((done_above, done_below), (done_above, -1), (-1, done_below)) if column in waiting
        ]
        chosen = candidates[0]
        waiting.discard(chosen)
        ordered.append(chosen)
        done_above += chosen[0] >= 0
        done_below += chosen[1] >= 0
    problem = ""
    try:
        insist_on_one_to_one(clean, corrupted)
    except ModelError as error:
        problem = str(error)
    return PromptPair(clean.texts, corrupted.texts, tuple(ordered), problem)

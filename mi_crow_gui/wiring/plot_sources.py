"""The frames of plots that are told which run to show: pinned runs, both, and both sides of a site's controllers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mi_crow_gui.document.hook_spec import CAPTURE
from mi_crow_gui.document.plot_source import BOTH, DIFFERENCE, RUN_A, RUN_B, SIDES
from mi_crow_gui.engine.run_comparison import run_tokens
from mi_crow_gui.plotdata.frame_pair import FramePair
from mi_crow_gui.plotdata.prompt_frame import frame_of_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.archive import KeptRun
    from mi_crow_gui.plotdata.frame import Frame

CAPTURE_OTHER_SIDE = "Capture the other side and run again"


@dataclass(frozen=True, slots=True)
class Found:
    """What a plot is to show, or why there is nothing and what one click would do about it."""

    frame: Frame | FramePair | None
    reason: str = ""
    offer: str = ""


class PlotSources:
    """Finds frames; gives the same object for the same question, so that a plot knows what it shows already."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, bool], Frame | FramePair] = {}
        self._prompts: dict[tuple[int, str], tuple[Frame, int, Frame]] = {}

    def pinned(self, source: str, site: str, pinned: Mapping[str, KeptRun], overlays: bool, prompt: int = 0) -> Found:
        """What run A, run B or the two of them hold of a site; of a batch what is of one prompt."""
        wanted = {RUN_A: ("A",), RUN_B: ("B",), DIFFERENCE: ("A", "B"), BOTH: ("A", "B")}[source]
        frames = []
        for pin in wanted:
            kept = pinned.get(pin)
            if kept is None:
                return Found(None, f"No run is pinned as {pin}: select one in the history and press {pin}.")
            frame = kept.frame(site)
            if frame is None:
                return Found(None, _not_captured(kept, pin, site))
            frames.append(self._of_prompt(frame, prompt))
        key = (source, site, overlays)
        if len(frames) == 1:
            origin = f"{wanted[0]} · run {frames[0].run} · step {frames[0].step}"
            made = self._made.get(key)
            if made is None or isinstance(made, FramePair) or made.values is not frames[0].values:
                made = replace(frames[0], origin=origin)
            self._made[key] = made
            return Found(made)
        a, b = pinned["A"], pinned["B"]
        first, second = frames
        made = self._made.get(key)
        if (
            not isinstance(made, FramePair)
            or made.first is not first
            or made.second is not second
            or made.overlaid is not (source == BOTH and overlays)
        ):
            sign = "B − A" if source == DIFFERENCE or not overlays else "A, B"
            runs = f"runs {b.number} − {a.number}" if sign == "B − A" else f"runs {a.number}, {b.number}"
            title = f"{sign} · {runs} · {_steps(sign, first, second)}"
            tokens = (run_tokens(a, prompt), run_tokens(b, prompt))
            made = FramePair(
                first,
                second,
                ("A", "B"),
                title,
                tokens,
                overlaid=source == BOTH and overlays,
            )
        self._made[key] = made
        return Found(made)

    def _of_prompt(self, whole: Frame, prompt: int) -> Frame:
        if not whole.rows:
            return whole
        key = (whole.run, whole.site)
        known = self._prompts.get(key)
        if known is None or known[0] is not whole or known[1] != prompt:
            known = self._prompts[key] = (whole, prompt, frame_of_prompt(whole, prompt))
        return known[2]

    def sides(self, site: str, frames: Sequence[Frame], hooks: Sequence[HookSpec], overlays: bool) -> Found:
        """Both sides of a site's controllers in the newest run."""
        by_stage = {frame.stage: frame for frame in frames}
        before, after = by_stage.get("before"), by_stage.get("after")
        if before is not None and after is not None:
            key = (SIDES, site, overlays)
            made = self._made.get(key)
            if not isinstance(made, FramePair) or made.first is not before or made.second is not after:
                sign = "before, after" if overlays else "after − before"
                made = FramePair(
                    before,
                    after,
                    ("before", "after"),
                    f"{sign} · run {after.run} · step {min(before.step, after.step)}",
                    overlaid=overlays,
                )
            self._made[key] = made
            return Found(made)
        captured = {hook.stage for hook in hooks if hook.kind == CAPTURE}
        if not any(hook.kind != CAPTURE and hook.enabled and hook.trusted for hook in hooks):
            return Found(None, f"No controller acts at {site or 'the model'}: before and after are the same.")
        if {"before", "after"} <= captured:
            return Found(None, f"Run the model to see {site or 'the model'} before and after its controllers.")
        have = f"only what is there {next(iter(captured))} its controllers is captured" if captured else "not captured"
        return Found(None, f"{site or 'The model'}: {have}.", CAPTURE_OTHER_SIDE)


def _steps(sign: str, a: Frame, b: Frame) -> str:
    """The steps of two runs, in the order of the runs in the title."""
    if a.step == b.step:
        return f"step {a.step}"
    return f"steps {b.step} − {a.step}" if "−" in sign else f"steps {a.step}, {b.step}"


def _not_captured(kept: KeptRun, pin: str, site: str) -> str:
    for sentence in kept.left_out:
        if site and site in sentence:
            return sentence
    return (
        f"Run {pin} (run {kept.number}) did not capture {site or 'the model'}: tick it, run that prompt again, and pin."
    )

"""Runs of the window as controllers ask for them: the one at hand, and those that were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from core_hooks.model.captured_values import RunValues, SiteValues
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.archive import KeptRun
    from mi_crow_gui.engine.messages import RunInfo
    from mi_crow_gui.engine.recording import Recording
    from mi_crow_gui.plotdata.frame import Frame

# What went on is meant by a site's value: after its controllers, where both sides are known.
_STAGES = ("after", "", "before")


class LiveValues:
    """What the run at hand has captured so far; used on the model thread alone."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @property
    def number(self) -> int:
        """Number of the run."""
        return self._recording.info.number

    @property
    def tokens(self) -> TokenSequence:
        """Every token so far."""
        return self._recording.tokens

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the prompt has, the longest of a batch."""
        return self._recording.info.width

    @property
    def prompts(self) -> Sequence[range]:
        """Where each prompt of a batch lies."""
        return _prompts(self._recording.info)

    def sites(self) -> Collection[str]:
        """The sites that were captured."""
        return _sites(self._recording.frames)

    def find(self, site: str, where: str = "output") -> SiteValues | None:
        """What a site gave out so far, or what went into it."""
        return _found(self._recording.frames, site, where)


class KeptValues:
    """What a run that has ended left."""

    def __init__(self, kept: KeptRun) -> None:
        self._kept = kept

    @property
    def number(self) -> int:
        """Number of the run."""
        return self._kept.number

    @property
    def tokens(self) -> TokenSequence:
        """The prompt and what followed."""
        return self._kept.tokens

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the prompt has, the longest of a batch."""
        return self._kept.info.width

    @property
    def prompts(self) -> Sequence[range]:
        """Where each prompt of a batch lies."""
        return _prompts(self._kept.info)

    def sites(self) -> Collection[str]:
        """The sites that were captured."""
        return _sites(self._kept.frames)

    def find(self, site: str, where: str = "output") -> SiteValues | None:
        """What a site gave out, or what went into it."""
        return _found(self._kept.frames, site, where)


def by_pin(pinned: Mapping[str, KeptRun]) -> dict[str, RunValues]:
    """The pinned runs as controllers ask for them."""
    return {pin: KeptValues(kept) for pin, kept in pinned.items()}


def _prompts(info: RunInfo) -> Sequence[range]:
    return info.spans or (range(info.width),)


def _sites(frames: Mapping[tuple[str, str], Frame]) -> list[str]:
    return sorted({site for site, stage in frames if stage in _STAGES})


def _found(frames: Mapping[tuple[str, str], Frame], site: str, where: str) -> SiteValues | None:
    # torch comes with it: the window, which knows of kept runs too, has not waited for that.
    from core_hooks.model.captured_values import SiteValues

    stages = ("input",) if where == "input" else _STAGES
    frame = next((frames[site, stage] for stage in stages if (site, stage) in frames), None)
    return None if frame is None else SiteValues(frame.values, frame.first_token)

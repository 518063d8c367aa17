"""The run at hand as controllers ask for it, where a script has attached the detectors itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core_hooks.hooks.hook_type import HookType
from core_hooks.model.batch import TokenBatch
from core_hooks.model.captured_values import GivenValues, SiteValues

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from core_hooks.hooks.layer_activation_detector import LayerActivationDetector
    from core_hooks.model.tokens import TokenSequence

# What went on is meant by a site's value: after its controllers, where both sides are known.
_STAGES = ("after", "before")


@dataclass(frozen=True, slots=True, eq=False)
class DetectedValues:
    """A `RunValues` of what detectors hold: set it as ``Surroundings.run``, and ``ctx.capture`` finds their values.

    Attributes
    ----------
    number
        Number of the run.
    prompt
        What it began with.
    detectors
        Made with ``keep="cat"``, so that they hold every token of a generation.
    """

    number: int
    prompt: TokenSequence | TokenBatch
    detectors: Sequence[LayerActivationDetector]

    @property
    def tokens(self) -> TokenSequence:
        """The prompt, of a batch the first one."""
        return self.prompt.rows[0] if isinstance(self.prompt, TokenBatch) else self.prompt

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the prompt has, the longest of a batch."""
        return self.prompt.width if isinstance(self.prompt, TokenBatch) else len(self.prompt)

    @property
    def prompts(self) -> Sequence[range]:
        """Where along the token axis each prompt of a batch lies."""
        return self.prompt.spans if isinstance(self.prompt, TokenBatch) else (range(len(self.prompt)),)

    def sites(self) -> Collection[str]:
        """The sites whose output was captured."""
        return {str(one.layer_signature) for one in self.detectors if one.hook_type is HookType.FORWARD}

    def find(self, site: str, where: str = "output") -> SiteValues | None:
        """What a site gave out so far, or what went into it (``"input"``)."""
        wanted = HookType.PRE_FORWARD if where == "input" else HookType.FORWARD
        found = [one for one in self.detectors if one.layer_signature == site and one.hook_type is wanted]
        for one in sorted(found, key=lambda one: _STAGES.index(one.stage)):
            values = one.get_captured()
            if values is not None:
                return SiteValues(values)
        return None

    def kept(self, tokens: TokenSequence | None = None) -> GivenValues:
        """Return the run as it is when it has ended: set it in ``Surroundings.kept``, and ``ctx.run`` finds it.

        Parameters
        ----------
        tokens
            The prompt and what was generated; default: the prompt alone.
        """
        sites = {str(one.layer_signature) for one in self.detectors}
        values, inputs = (
            {site: found for site in sites if (found := self.find(site, where)) is not None}
            for where in ("output", "input")
        )
        return GivenValues(self.number, tokens or self.tokens, values, self.prompt_tokens, inputs, tuple(self.prompts))

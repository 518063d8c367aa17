"""What the hooks of a run did, and whether the model was left as it was: the instrument strip, in words."""

from __future__ import annotations

from dataclasses import dataclass

from mi_crow_gui.document.formatting import count, plural


@dataclass(frozen=True, slots=True)
class Instrument:
    """One hook in one run.

    Attributes
    ----------
    site, kind
        Where it was, and what it is called.
    fired
        How often it was called.
    on_model
        Whether it was on the model.
    failed
        Why it failed and switched itself off, or could not be built; "" for neither.
    off
        Why it did not act although nothing failed: it is switched off or not reviewed; "" if it did.
    """

    site: str
    kind: str
    fired: int
    on_model: bool
    failed: str = ""
    off: str = ""

    @property
    def state(self) -> str:
        """What became of it, in words."""
        if self.failed:
            return f"failed, off now: {self.failed}" if self.on_model else f"not attached: {self.failed}"
        if self.off:
            return self.off
        return "fired" if self.fired else "never called: the model did not call this module"


@dataclass(frozen=True, slots=True)
class InstrumentReport:
    """The hooks of one run.

    Attributes
    ----------
    run
        Its number; 0 for none.
    left, expected
        Hooks that were found on the model after the run, counted in its modules, and those that belong there.
    """

    run: int
    instruments: tuple[Instrument, ...] = ()
    left: int = 0
    expected: int = 0

    @property
    def registered(self) -> int:
        """Hooks that were on the model."""
        return sum(instrument.on_model for instrument in self.instruments)

    @property
    def fired(self) -> int:
        """Hooks that were called at least once."""
        return sum(instrument.fired > 0 for instrument in self.instruments)

    @property
    def failed(self) -> int:
        """Hooks that failed."""
        return sum(bool(instrument.failed) for instrument in self.instruments)

    @property
    def disabled(self) -> int:
        """Hooks that are off now, by a failure or by hand."""
        return sum(bool(instrument.failed or instrument.off) for instrument in self.instruments)

    @property
    def restored(self) -> bool:
        """Whether nothing but the user's hooks was left on the model."""
        return self.left == self.expected

    @property
    def silent(self) -> int:
        """Hooks that were on the model and never called."""
        return sum(item.on_model and not item.fired and not item.failed for item in self.instruments)

    @property
    def troubled(self) -> bool:
        """Whether something needs a look."""
        return bool(self.failed or self.silent or not self.restored)

    def words(self) -> str:
        """The strip."""
        if not self.instruments and self.restored:
            return "no hooks"
        parts = [f"{plural(self.registered, 'hook')} on", f"{self.fired} fired", f"{self.failed} failed"]
        parts += [f"{self.disabled} off", "restored" if self.restored else f"{self.left - self.expected} left behind"]
        return " · ".join(parts)

    def sentence(self) -> str:
        """What was left on the model, for the details."""
        if self.restored:
            return (
                f"After run {self.run} the model carries {plural(self.left, 'hook')}: exactly those of the hooks list. "
                "All that the run and its views added meanwhile was taken off again."
            )
        return (
            f"After run {self.run} the model carries {plural(self.left, 'hook')} where {count(self.expected)} belong: "
            "detach all hooks, or open the model again."
        )

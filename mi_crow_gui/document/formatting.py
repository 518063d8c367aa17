"""How numbers, sizes, times, shapes and names are written for people, the same in every panel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_COUNT_UNITS = (("T", 1e12), ("B", 1e9), ("M", 1e6))
_ELLIPSIS = "…"


def number(value: float) -> str:
    """Write a measured value with four significant digits: 22,680, 0.03142, 1.235e-05."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    # The value after rounding decides the notation: 999,999.9 is a million
    exponent = int(f"{value:.3e}".partition("e")[2])
    if not -4 <= exponent < 6:
        return f"{value:.3e}"
    if exponent < 3:
        return f"{value:.{3 - exponent}f}"
    return f"{round(value, 3 - exponent):,.0f}"


def count(value: int) -> str:
    """Write a whole number exactly, thousands separated: 1,234,567."""
    return f"{int(value):,}"


def short_count(value: int) -> str:
    """Write a large whole number in four significant digits with M, B or T; below a million exactly."""
    for place, (unit, size) in enumerate(_COUNT_UNITS):
        if abs(value) >= size:
            scaled = _four_digits(value / size)
            # 999,999,999 is 1.000 B rather than 1,000 M
            if scaled.lstrip("-") == "1,000" and place > 0:
                return f"{'-' if value < 0 else ''}1.000 {_COUNT_UNITS[place - 1][0]}"
            return f"{scaled} {unit}"
    return count(value)


def byte_size(value: int) -> str:
    """Write a size in bytes with a binary unit: 512 B, 41.23 MiB."""
    if abs(value) < 1024:
        return f"{int(value)} B"
    scaled = float(value)
    place = 0
    while abs(scaled) >= 1023.5 and place < len(_BYTE_UNITS) - 1:
        scaled /= 1024
        place += 1
    return f"{_four_digits(scaled)} {_BYTE_UNITS[place]}"


def duration(seconds: float) -> str:
    """Write a time given in seconds: 12.34 ms, 1.500 s, 2 min 05 s, 1 h 02 min."""
    if not math.isfinite(seconds):
        return number(seconds)
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds == 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{number(seconds * 1000)} ms"
    if seconds < 59.995:
        return f"{_four_digits(seconds)} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{count(minutes // 60)} h {minutes % 60:02d} min"


def shape(sizes: Sequence[int]) -> str:
    """Write a tensor's shape: 1 × 14 × 128; a tensor without axes is a scalar."""
    return " × ".join(str(int(size)) for size in sizes) or "scalar"


def percent(fraction: float) -> str:
    """Write a probability or share (0 to 1) in percent: 98.20 %, 0.031 %; never 100 % for less than all."""
    if not math.isfinite(fraction):
        return number(fraction)
    hundredth = fraction * 100
    if hundredth in (0, 100):
        return f"{hundredth:.0f} %"
    if 99.99 <= hundredth < 100:
        return "> 99.99 %"
    if abs(hundredth) < 0.001:
        return f"{hundredth:.1e} %"
    return f"{hundredth:.2f} %" if abs(hundredth) >= 0.1 else f"{hundredth:.3f} %"


def elide_middle(text: str, length: int) -> str:
    """Shorten `text` to at most `length` characters by leaving out its middle, the end favoured."""
    if len(text) <= length:
        return text
    if length <= 1:
        return _ELLIPSIS[: max(length, 0)]
    head = (length - 1) // 2
    return f"{text[:head]}{_ELLIPSIS}{text[len(text) - (length - 1 - head) :]}"


def elide_site(site: str, fits: Callable[[str], bool]) -> str:
    """Shorten a dotted name by whole parts to what `fits`: the last number and what follows stay, then the first part.

    Leaving out the middle would make numbered siblings look the same. A name of which not even the last two parts
    fit comes back whole.
    """
    if fits(site):
        return site
    parts = site.split(".")
    numbered = next((place for place in range(len(parts), 0, -1) if parts[place - 1].isdigit()), len(parts))
    least = max(2, len(parts) - numbered + 1)
    tails = [(parts[0], tail) for tail in range(len(parts) - 2, least - 1, -1)]
    tails += [("", tail) for tail in range(len(parts) - 1, 1, -1)]
    shortened = (f"{head}{_ELLIPSIS}{'.'.join(parts[-tail:])}" for head, tail in tails)
    return next((text for text in shortened if fits(text)), site)


def plural(amount: int, noun: str, nouns: str = "") -> str:
    """Write an amount with its noun: 1 hook, 4 hooks, 2 indices (`nouns` where adding an s is wrong)."""
    return f"{count(amount)} {noun if amount == 1 else nouns or noun + 's'}"


def _four_digits(value: float) -> str:
    magnitude = abs(value)
    decimals = 3 if magnitude < 9.9995 else 2 if magnitude < 99.995 else 1 if magnitude < 999.95 else 0
    return f"{value:,.{decimals}f}"

"""The detectors and controllers of this package as kinds that are attached by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from core_hooks.hooks.attention_pattern_detector import AttentionPatternDetector
from core_hooks.hooks.histogram_detector import HistogramDetector
from core_hooks.hooks.kinds import HookKind, HookSetting
from core_hooks.hooks.statistics_detector import StatisticsDetector
from core_hooks.hooks.steering import (
    ClampController,
    MeanController,
    NoiseController,
    ScaleController,
    ZeroController,
)
from core_hooks.hooks.top_channels_detector import TopChannelsDetector

if TYPE_CHECKING:
    from core_hooks.hooks.kinds import Value

_LARGEST = 1e6
_BARS = "▁▂▃▄▅▆▇█"
_WIDEST = 24  # signs of a histogram in one line

Rows = list[tuple[str, "Value"]]


def _statistics(detector: StatisticsDetector) -> Rows:
    found, norms = detector.statistics, detector.token_norms
    if found is None:
        return []
    rows: Rows = [
        ("Min", found.minimum),
        ("Max", found.maximum),
        ("Mean", found.mean),
        ("Std", found.std),
        ("Zeros", found.zeros),
        ("NaN", found.nan),
        ("Infinite", found.infinite),
    ]
    if norms is not None and norms.numel():
        rows += [("Smallest norm", float(norms.min())), ("Largest norm", float(norms.max()))]
    return rows


def _histogram(detector: HistogramDetector) -> Rows:
    counts, edges = detector.counts, detector.edges
    if counts is None or edges is None:
        return []
    metadata = detector.metadata
    fullest = int(counts.argmax())
    return [
        ("From", float(edges[0])),
        ("To", float(edges[-1])),
        ("Counts", _line(counts)),
        ("Fullest bin", f"{float(edges[fullest]):.4g} to {float(edges[fullest + 1]):.4g}"),
        ("Values in it", int(counts[fullest])),
        ("Below", int(metadata["histogram_below"])),
        ("Above", int(metadata["histogram_above"])),
        ("Not finite", int(metadata["histogram_not_finite"])),
    ]


def _line(counts: torch.Tensor) -> str:
    """Counts as a row of bars, neighbouring bins joined where there are more than fit."""
    joined = torch.stack([part.sum() for part in counts.double().tensor_split(min(_WIDEST, len(counts)))])
    top = float(joined.max()) or 1.0
    return "".join(_BARS[round((len(_BARS) - 1) * float(count) / top)] for count in joined)


def _top_channels(detector: TopChannelsDetector) -> Rows:
    channels, sizes = detector.channels, detector.sizes
    if channels is None or sizes is None:
        return []
    return [(f"Channel {int(channel)}", float(size)) for channel, size in zip(channels, sizes, strict=True)]


def _attention(detector: AttentionPatternDetector) -> Rows:
    pattern = detector.get_captured()
    if pattern is None:
        return []
    weights = pattern.double()
    heads, keys = weights.shape[1], weights.shape[3]
    entropy = (weights * weights.clamp(min=1e-30).log()).sum(-1).mean((0, 2)).abs()
    first = weights[..., 0].mean((0, 2))
    rows: Rows = [("Heads", heads), ("Keys", keys)]
    rows += [
        (f"Head {head}", f"{float(entropy[head]):.3f} nats, {100 * float(first[head]):.0f} % on token 0")
        for head in range(heads)
    ]
    return rows


STATISTICS = HookKind(
    "statistics",
    "Statistics",
    "Works out minimum, maximum, mean and the norms of tokens where the values are, and keeps no values",
    lambda site, settings: StatisticsDetector(site),
    results=_statistics,
    order=10,
)
HISTOGRAM = HookKind(
    "histogram",
    "Histogram",
    "Counts the values in bins of equal width, and keeps no values",
    lambda site, settings: HistogramDetector(site, settings["bins"], _limits(settings)),
    (
        HookSetting("bins", "Bins", 64, 1, 4096),
        HookSetting("fixed", "Fixed limits", False, tip="Else the limits are the smallest and largest value"),
        HookSetting("low", "Lowest", -5.0, -_LARGEST, _LARGEST, tip="With fixed limits"),
        HookSetting("high", "Highest", 5.0, -_LARGEST, _LARGEST, tip="With fixed limits"),
    ),
    results=_histogram,
    order=20,
)
TOP_CHANNELS = HookKind(
    "top_channels",
    "Top channels",
    "Finds the channels with the largest absolute values over all tokens",
    lambda site, settings: TopChannelsDetector(site, settings["k"], settings["by"]),
    (
        HookSetting("k", "How many", 10, 1, 100),
        HookSetting("by", "Ranked by", "mean", choices=("mean", "max"), tip="Mean or maximum over the tokens"),
    ),
    results=_top_channels,
    order=30,
)
ATTENTION_PATTERN = HookKind(
    "attention_pattern",
    "Attention pattern",
    "Reads which token looks at which, from a self-attention module of a model that computes it eagerly",
    lambda site, settings: AttentionPatternDetector(site),
    results=_attention,
    order=40,
)


def _limits(settings: Any) -> tuple[float, float] | None:
    return (settings["low"], settings["high"]) if settings["fixed"] else None


_FACTOR = HookSetting("factor", "Factor", 0.5, -_LARGEST, _LARGEST, tip="1 changes nothing, 0 removes all")
_LIMIT = HookSetting("limit", "Limit", 3.0, 0.0, _LARGEST, tip="The largest absolute value that stays")
_STD = HookSetting("std", "Strength", 0.1, 0.0, _LARGEST, tip="In standard deviations of the values")
_SEED = HookSetting("seed", "Seed", 0, 0, 2**31 - 1, tip="The same seed gives the same noise")

ZERO = HookKind(
    "zero", "Zero", "Puts zeros in place of the values", lambda site, settings: ZeroController(site), order=10
)
SCALE = HookKind(
    "scale",
    "Scale",
    "Multiplies the values",
    lambda site, settings: ScaleController(site, settings["factor"]),
    (_FACTOR,),
    order=20,
)
MEAN = HookKind(
    "mean", "Mean", "Gives every token the mean over the tokens", lambda site, settings: MeanController(site), order=30
)
CLAMP = HookKind(
    "clamp",
    "Clamp",
    "Cuts off what is larger than a limit",
    lambda site, settings: ClampController(site, -settings["limit"], settings["limit"]),
    (_LIMIT,),
    order=40,
)
NOISE = HookKind(
    "noise",
    "Noise",
    "Adds normal noise, the same in every run",
    lambda site, settings: NoiseController(site, settings["std"], seed=settings["seed"], relative=True),
    (_STD, _SEED),
    order=50,
)

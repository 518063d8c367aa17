"""Embeddings of many vectors in the plane that keep neighbours together: t-SNE and UMAP, where they are installed.

Both take long and hold the interpreter's lock while they do. A window has them computed by a process of its own:
``python -m core_hooks.analysis.embedding METHOD VALUES.npy POINTS.npy`` prints ``progress DONE TOTAL`` meanwhile.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from typing import TYPE_CHECKING, TextIO

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UMAP, TSNE = "umap", "tsne"
NAMES = {UMAP: "UMAP", TSNE: "t-SNE"}
_NEEDS = {UMAP: ("umap", "umap-learn"), TSNE: ("sklearn", "scikit-learn")}
# Fewer have no neighbours to speak of.
FEWEST = 5
# Principal components that are kept before neighbours are sought: distances along more are mostly noise.
COMPONENTS = 50
_TSNE_STEPS = 1000
_COUNTED = (re.compile(r"Iteration (\d+):()"), re.compile(r"(\d+)/(\d+)"))


def lacking(method: str) -> str:
    """Return why a method can't be used here, ``""`` when it can; nothing is imported for it."""
    module, package = _NEEDS[method]
    if importlib.util.find_spec(module) is not None:
        return ""
    return f"{NAMES[method]} needs {package}, which is not installed: pip install {package}"


def embed(
    values: np.ndarray, method: str, *, seed: int = 0, on_progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Place vectors in the plane so that those that are near each other stay so; distances between groups say little.

    t-SNE: van der Maaten and Hinton, "Visualizing Data using t-SNE" (2008). UMAP: McInnes, Healy and Melville,
    "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction" (2018).

    Parameters
    ----------
    values
        ``[vectors, channels]``, finite; best their first `COMPONENTS` principal components.
    method
        ``"umap"`` or ``"tsne"``.
    seed
        The same seed gives the same picture.
    on_progress
        Called with the steps done and that of all, now and then. While it runs, standard output and error are
        redirected to find them.

    Returns
    -------
    numpy.ndarray
        float32 ``[vectors, 2]``, without unit.

    Raises
    ------
    ValueError
        Fewer than `FEWEST` vectors, or no such method.
    ImportError
        It is not installed; the text says what is needed.
    """
    if method not in NAMES:
        raise ValueError(f"There is no method {method!r}; there are {', '.join(NAMES)}.")
    if len(values) < FEWEST:
        raise ValueError(f"{NAMES[method]} needs at least {FEWEST} vectors, not {len(values)}.")
    reason = lacking(method)
    if reason:
        raise ImportError(reason)
    listener = _Listener(on_progress or (lambda done, total: None))
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = listener
    try:
        return np.asarray(_tsne(values, seed) if method == TSNE else _umap(values, seed), np.float32)
    finally:
        sys.stdout, sys.stderr = before


def _tsne(values: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE as Method

    # A neighbourhood must be smaller than what there is.
    perplexity = min(30.0, (len(values) - 1) / 3)
    method = Method(perplexity=perplexity, init="pca", max_iter=_TSNE_STEPS, random_state=seed, verbose=2)
    points: np.ndarray = method.fit_transform(values)
    return points


def _umap(values: np.ndarray, seed: int) -> np.ndarray:
    import warnings

    with warnings.catch_warnings():
        # That a seed allows one thread alone is known.
        warnings.simplefilter("ignore")
        from umap import UMAP as Method

        neighbours = min(15, len(values) - 1)
        # A start from the spectrum needs more vectors than that.
        start = "spectral" if len(values) > 2 * neighbours else "random"
        method = Method(n_neighbors=neighbours, init=start, random_state=seed, verbose=True)
        points: np.ndarray = method.fit_transform(values)
    return points


class _Listener:
    """Reads how far the methods are from what they print, for neither tells it otherwise."""

    encoding = "utf-8"

    def __init__(self, on_progress: Callable[[int, int], None]) -> None:
        self._on_progress = on_progress

    def write(self, text: str) -> int:
        for pattern in _COUNTED:
            found = pattern.search(text)
            if found is not None:
                self._on_progress(int(found[1]), int(found[2] or _TSNE_STEPS))
                break
        return len(text)

    def flush(self) -> None:
        """There is nothing to flush."""

    def isatty(self) -> bool:
        return False


def main(arguments: Sequence[str], out: TextIO) -> int:
    """Embed an array file and write another; 1 with a sentence when that fails."""
    method, source, target = arguments

    def tell(done: int, total: int) -> None:
        print(f"progress {done} {total}", file=out, flush=True)

    try:
        points = embed(np.load(source, allow_pickle=False), method, on_progress=tell)
    except (ValueError, ImportError, MemoryError) as error:
        print(f"failed {error}", file=out, flush=True)
        return 1
    np.save(target, points, allow_pickle=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout))

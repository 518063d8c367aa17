"""The demo model, one that was trained on a little, and captures of the same texts, for tests of comparing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save_file

from core_hooks.capture.job import CaptureJob
from core_hooks.capture.job_settings import JobSettings
from core_hooks.model.opening import open_model
from core_hooks.model.reference import ModelReference
from mi_crow_gui.document.resource_files import demo_model_folder
from tests.mi_crow_gui.corpus.texts import lines, write_lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from core_hooks.hooks.hook import Hook

SITES = ("transformer.h.0", "transformer.h.1.mlp", "transformer.h.3")
CHANGED = "transformer.h.1.mlp.c_fc.weight"


def tuned_model(folder: Path) -> Path:
    """A copy of the demo model in which one matrix of block 1 is another: what lies before it gives the same."""
    shutil.copytree(demo_model_folder(), folder)
    (file,) = folder.glob("*.safetensors")
    tensors = load_file(file)
    noise = np.random.default_rng(7).standard_normal(tensors[CHANGED].shape)
    tensors[CHANGED] = tensors[CHANGED] + (0.05 * noise).astype(tensors[CHANGED].dtype)
    save_file(tensors, file, metadata={"format": "pt"})
    return folder


def capture(model: Path, texts: Path, out: Path, controllers: Mapping[str, Hook] | None = None) -> Path:
    """What some layers of a model give for a file of texts."""
    opened = open_model(ModelReference(str(model)))
    try:
        CaptureJob(opened, JobSettings(out, texts, SITES), controllers=controllers).run()
    finally:
        opened.close()
    return out


def write_texts(folder: Path) -> Path:
    """Sixty texts, a line each."""
    return write_lines(folder / "texts.txt", lines(60))

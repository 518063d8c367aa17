"""What every test runs under: an offscreen platform, one torch thread, no network."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Code that comes with a model is copied to this folder and imported from there: two workers must not share it.
_modules = tempfile.mkdtemp(prefix="mi-crow-modules-")
os.environ["HF_MODULES_CACHE"] = _modules
atexit.register(shutil.rmtree, _modules, ignore_errors=True)

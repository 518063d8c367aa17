"""What every test runs under: an offscreen platform, one torch thread, no network."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import HealthCheck, settings

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Code that comes with a model is copied to this folder and imported from there: two workers must not share it.
_modules = tempfile.mkdtemp(prefix="mi-crow-modules-")
os.environ["HF_MODULES_CACHE"] = _modules
atexit.register(shutil.rmtree, _modules, ignore_errors=True)

# How quickly examples come says how busy the machine is, nothing about what is tested. One fixture for all examples
# of a test (a model, a folder) is meant.
_allowed = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("any machine", deadline=None, suppress_health_check=_allowed)
settings.load_profile("any machine")

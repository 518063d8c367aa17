"""The hooks API: detectors look at what a module computes, controllers change it.

Names are imported when they are first used, so that importing the package does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core_hooks.hooks.attachment import Attachment, attach
    from core_hooks.hooks.call_input import CallInput
    from core_hooks.hooks.capture import Capture
    from core_hooks.hooks.controller import Controller
    from core_hooks.hooks.detector import Detector
    from core_hooks.hooks.errors import HookError, HookWarning, RunCancelled, StopForward
    from core_hooks.hooks.extraction import (
        apply_modification_to_output,
        extract_tensor_from_input,
        extract_tensor_from_output,
    )
    from core_hooks.hooks.function_controller import FunctionController
    from core_hooks.hooks.hook import Hook
    from core_hooks.hooks.hook_type import HOOK_FUNCTION_INPUT, HOOK_FUNCTION_OUTPUT, HookType
    from core_hooks.hooks.layer_activation_detector import LayerActivationDetector
    from core_hooks.hooks.model_input_detector import ModelInputDetector
    from core_hooks.hooks.model_output_detector import ModelOutputDetector
    from core_hooks.hooks.registration import Registration, hooks_of, register
    from core_hooks.hooks.run import HookRun, current_run
    from core_hooks.hooks.run_report import HookRecord, RunReport

_MODULES = {
    "HOOK_FUNCTION_INPUT": "hook_type",
    "HOOK_FUNCTION_OUTPUT": "hook_type",
    "Attachment": "attachment",
    "CallInput": "call_input",
    "Capture": "capture",
    "Controller": "controller",
    "Detector": "detector",
    "FunctionController": "function_controller",
    "Hook": "hook",
    "HookError": "errors",
    "HookRecord": "run_report",
    "HookRun": "run",
    "HookType": "hook_type",
    "HookWarning": "errors",
    "LayerActivationDetector": "layer_activation_detector",
    "ModelInputDetector": "model_input_detector",
    "ModelOutputDetector": "model_output_detector",
    "Registration": "registration",
    "RunCancelled": "errors",
    "RunReport": "run_report",
    "StopForward": "errors",
    "apply_modification_to_output": "extraction",
    "attach": "attachment",
    "current_run": "run",
    "extract_tensor_from_input": "extraction",
    "extract_tensor_from_output": "extraction",
    "hooks_of": "registration",
    "register": "registration",
}

__all__ = [
    "HOOK_FUNCTION_INPUT",
    "HOOK_FUNCTION_OUTPUT",
    "Attachment",
    "CallInput",
    "Capture",
    "Controller",
    "Detector",
    "FunctionController",
    "Hook",
    "HookError",
    "HookRecord",
    "HookRun",
    "HookType",
    "HookWarning",
    "LayerActivationDetector",
    "ModelInputDetector",
    "ModelOutputDetector",
    "Registration",
    "RunCancelled",
    "RunReport",
    "StopForward",
    "apply_modification_to_output",
    "attach",
    "current_run",
    "extract_tensor_from_input",
    "extract_tensor_from_output",
    "hooks_of",
    "register",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""The hooks API: detectors look at what a module computes, controllers change it.

Names are imported when they are first used, so that importing the package does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core_hooks.hooks.attachment import Attachment, attach
    from core_hooks.hooks.attention_pattern_detector import AttentionPatternDetector
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
    from core_hooks.hooks.histogram_detector import HistogramDetector
    from core_hooks.hooks.hook import Hook
    from core_hooks.hooks.hook_type import HOOK_FUNCTION_INPUT, HOOK_FUNCTION_OUTPUT, HookType
    from core_hooks.hooks.layer_activation_detector import LayerActivationDetector
    from core_hooks.hooks.model_input_detector import ModelInputDetector
    from core_hooks.hooks.model_output_detector import ModelOutputDetector
    from core_hooks.hooks.region import Region
    from core_hooks.hooks.registration import Registration, hooks_of, register
    from core_hooks.hooks.run import HookRun, current_run
    from core_hooks.hooks.run_report import HookRecord, RunReport
    from core_hooks.hooks.statistics_detector import Statistics, StatisticsDetector
    from core_hooks.hooks.steering import (
        AddController,
        ClampController,
        MeanController,
        NoiseController,
        ProjectOutController,
        RegionController,
        ReplaceController,
        ScaleController,
        ZeroController,
    )
    from core_hooks.hooks.stop_after import StopAfter
    from core_hooks.hooks.tensor_detector import TensorDetector
    from core_hooks.hooks.top_channels_detector import TopChannelsDetector

_MODULES = {
    "AddController": "steering",
    "Attachment": "attachment",
    "AttentionPatternDetector": "attention_pattern_detector",
    "CallInput": "call_input",
    "Capture": "capture",
    "ClampController": "steering",
    "Controller": "controller",
    "Detector": "detector",
    "FunctionController": "function_controller",
    "HOOK_FUNCTION_INPUT": "hook_type",
    "HOOK_FUNCTION_OUTPUT": "hook_type",
    "HistogramDetector": "histogram_detector",
    "Hook": "hook",
    "HookError": "errors",
    "HookRecord": "run_report",
    "HookRun": "run",
    "HookType": "hook_type",
    "HookWarning": "errors",
    "LayerActivationDetector": "layer_activation_detector",
    "MeanController": "steering",
    "ModelInputDetector": "model_input_detector",
    "ModelOutputDetector": "model_output_detector",
    "NoiseController": "steering",
    "ProjectOutController": "steering",
    "Region": "region",
    "RegionController": "steering",
    "Registration": "registration",
    "ReplaceController": "steering",
    "RunCancelled": "errors",
    "RunReport": "run_report",
    "ScaleController": "steering",
    "Statistics": "statistics_detector",
    "StatisticsDetector": "statistics_detector",
    "StopAfter": "stop_after",
    "StopForward": "errors",
    "TensorDetector": "tensor_detector",
    "TopChannelsDetector": "top_channels_detector",
    "ZeroController": "steering",
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
    "AddController",
    "Attachment",
    "AttentionPatternDetector",
    "CallInput",
    "Capture",
    "ClampController",
    "Controller",
    "Detector",
    "FunctionController",
    "HistogramDetector",
    "Hook",
    "HookError",
    "HookRecord",
    "HookRun",
    "HookType",
    "HookWarning",
    "LayerActivationDetector",
    "MeanController",
    "ModelInputDetector",
    "ModelOutputDetector",
    "NoiseController",
    "ProjectOutController",
    "Region",
    "RegionController",
    "Registration",
    "ReplaceController",
    "RunCancelled",
    "RunReport",
    "ScaleController",
    "Statistics",
    "StatisticsDetector",
    "StopAfter",
    "StopForward",
    "TensorDetector",
    "TopChannelsDetector",
    "ZeroController",
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

"""A controller tried on a tensor that was captured before: nothing is attached, and the model does not run."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.engine.tasks import ModelTask
from mi_crow_gui.plotdata.frame import Frame
from mi_crow_gui.plotdata.rows import NotDrawable
from mi_crow_gui.plotdata.statistics import StatisticsDrawing, StatisticsSettings, prepare_statistics

if TYPE_CHECKING:
    import torch

    from core_hooks.capture.record import CaptureRecord
    from core_hooks.model.controller_context import Surroundings
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence
    from core_hooks.model.user_controller import UserController
    from mi_crow_gui.engine.interrupt import UserCodeGuard
    from mi_crow_gui.engine.tasks import TaskDesk

_NAME = "preview"


@dataclass(frozen=True, slots=True, eq=False)
class PreviewRequest(ModelTask):
    """A controller text, the captured tensor to try it on, and the tokens of that run up to the tensor's last one.

    Gives a `PreviewResult`, whatever the text does. `prompt_length`: how many of the tokens are the prompt's; `prompt`:
    its number in the batch that the tensor is of.
    """

    text: str
    record: CaptureRecord
    tokens: TokenSequence
    prompt_length: int = 0
    strength: float = 1.0
    prompt: int = 0

    @property
    def title(self) -> str:
        """What the status bar says."""
        return "Trying the controller"

    def work(self, opened: OpenedModel, desk: TaskDesk) -> PreviewResult:
        """Try it on the device of the model."""
        from mi_crow_gui.engine.captured_runs import by_pin

        surroundings = desk.attachments.surroundings
        # Runs may have been pinned since the last one began.
        surroundings.kept = by_pin(desk.runs.pinned)
        return preview(self, desk.guard, opened.model, surroundings)


@dataclass(frozen=True, slots=True, eq=False)
class PreviewResult:
    """What the controller did: statistics of all values before and after, and of after - before.

    `changed` is how many values are not what they were, `dtype` that of the result. Where it failed there are none,
    but a sentence and the user's own line (0 if none is to blame). `cancelled`: it was stopped, which is no fault of
    the text.
    """

    request: PreviewRequest
    before: StatisticsDrawing | None = None
    after: StatisticsDrawing | None = None
    difference: StatisticsDrawing | None = None
    changed: int = 0
    dtype: str = ""
    problem: str = ""
    line: int = 0
    cancelled: bool = False
    details: str = ""


def preview(
    request: PreviewRequest, guard: UserCodeGuard, model: torch.nn.Module, surroundings: Surroundings
) -> PreviewResult:
    """Run the text on the tensor, on the model's device, under the guard; whatever it raises is told in the result."""
    from core_hooks.model.user_controller import ControllerCodeError, UserController
    from mi_crow_gui.engine.hook_entry import sentence
    from mi_crow_gui.engine.interrupt import ControllerInterrupted

    code: UserController | None = None
    guard.printed.new_run()
    guard.fence.measure()
    try:
        with guard:
            code = UserController(_NAME, request.record.site, request.text, request.strength, surroundings)
        after = _replaced(code, request, guard, model)
        return _compared(request, after)
    except ControllerInterrupted:
        return PreviewResult(request, problem="The preview was stopped before its end.", cancelled=True)
    except (NotDrawable, MemoryError) as error:
        return PreviewResult(request, problem=f"There are no statistics of it: {sentence(error)}")
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - the user's code may raise anything
        if isinstance(error, ControllerCodeError):
            line = error.line
        else:
            line = code.line_of(error) if code is not None else 0
        return PreviewResult(request, problem=sentence(error), line=line, details=traceback.format_exc())


def _replaced(
    code: UserController, request: PreviewRequest, guard: UserCodeGuard, model: torch.nn.Module
) -> torch.Tensor:
    """What would take the place of the captured tensor."""
    import torch

    from core_hooks.model.batch import TokenBatch
    from core_hooks.model.user_controller import placed_hook

    record = request.record
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None and not parameter.is_meta else torch.device("cpu")
    # A copy: the controller may write into it.
    tensor = torch.tensor(record.values).to(device, getattr(torch, record.dtype))
    tokens = TokenBatch((request.tokens,), number=request.prompt)
    code.begin(record.run, tokens)
    code.set_prompt_length(request.prompt_length or len(request.tokens))
    code.set_step(record.step, tokens)
    with torch.no_grad(), guard:
        result = code(tensor)
    # What a hook would refuse is refused here.
    (own, *_) = (placed for placed in code.placed if placed.site == record.site)
    return placed_hook(own, own, _NAME).fitting(result, tensor)


def _compared(request: PreviewRequest, after: torch.Tensor) -> PreviewResult:
    record = request.record
    before, changed_to = record.values, _array(after)
    wide = np.float32 if before.dtype.itemsize <= 4 and before.dtype.kind == "f" else np.float64
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.subtract(changed_to, before, dtype=wide, casting="unsafe")
    same = (changed_to == before) | ((changed_to != changed_to) & (before != before))
    return PreviewResult(
        request,
        _statistics(record, before),
        _statistics(record, changed_to),
        _statistics(record, difference),
        int(before.size - np.count_nonzero(same)),
        str(after.dtype).removeprefix("torch."),
    )


def _array(tensor: torch.Tensor) -> np.ndarray:
    import torch

    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def _statistics(record: CaptureRecord, values: np.ndarray) -> StatisticsDrawing:
    frame = Frame(
        record.run,
        record.step,
        record.site,
        record.hook_id,
        record.stage,
        values.reshape(1, -1),
        record.shape,
        record.dtype,
    )
    drawing = prepare_statistics(frame, StatisticsSettings())
    # The numbers are what is wanted; the values would be held as long as they are shown.
    empty = np.empty((1, 0), values.dtype)
    return replace(drawing, frame=replace(frame, values=empty), rows=replace(drawing.rows, values=empty))

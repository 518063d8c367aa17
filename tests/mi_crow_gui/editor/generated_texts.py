"""Texts that somebody could leave in the editor: good ones, broken ones, and those that do harm; made from a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.mi_crow_gui.editor.endless_texts import ENDLESS

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = (
    "lambda x: x * {n}",
    "lambda x, ctx: x if ctx.step else -x",
    "def control(x, ctx):\n    return x + {n}",
    "def control(x):\n    y = x.clone()\n    y[..., {k}] = 0\n    return y",
    "k = {n}\ndef control(x, ctx):\n    return x * k * ctx.strength",
    "import torch.nn.functional as F\nlambda x: F.relu(x)",
    "def control_input(x):\n    return x * {n}",
    "@site('transformer.h.*.attn')\ndef quiet(x):\n    return x * 0\n",
    "def control(x, ctx):\n    ctx.state['n'] = ctx.state.get('n', 0) + 1\n    return x * ctx.state['n']",
)
PYTHON = (
    "def control(x)\n    return x",
    "lambda x: (x",
    "def control(x):\nreturn x",
    "def control(x):\n\treturn x\n        return x",
    "lambda x x",
    "return 3",
    "lambda: {n}",
    "lambda x, y, z: x",
    "async def control(x):\n    return x",
    "def control(x):\n    yield x",
    "class control: pass",
    "control = {n}",
    "x = 1",
    "# nothing",
    "'''",
    "def control(x):\n    '''\n    return x",
    "lambda x: f'{{x'",
    "\0",
    "lambda x: '\ud800'",
    "({deep}{tail})",
    "{minus}1",
    "lambda x: {deep}x{tail}",
    "x = [{commas}]\nlambda x: x",
    "def control(x):\n    if x is not None:\n        pass",
)
SHAPES = (
    "lambda x: x[:, :1]",
    "lambda x: x.sum()",
    "lambda x: x.view({k})",
    "lambda x: x.transpose(1, 2)",
    "lambda x: torch.zeros({k}, {k})",
    "lambda x: x.unsqueeze(0)",
    "lambda x: x[..., :{k}]",
    "lambda x: torch.cat([x, x], -1)",
    "lambda x: x.expand({k}, *x.shape)",
)
KINDS = (
    "lambda x: 'text'",
    "lambda x: None",
    "lambda x: {n}",
    "lambda x: [x]",
    "lambda x: x.tolist()",
    "lambda x: x.long()",
    "lambda x: x > 0",
    "lambda x: x.to(torch.complex64)",
    "lambda x: x.half()",
    "lambda x: x.to(torch.bfloat16)",
    "lambda x: x / 0",
    "lambda x: x * float('nan')",
    "lambda x: x.numpy()",
    "lambda x: x.to('meta')",
    "lambda x: x.to_sparse()",
    "lambda x: (x, x)",
    "lambda x: x.requires_grad_()",
    "lambda x: x.to('cuda')",
    "lambda x: type(x)",
)
RAISES = (
    "def control(x):\n    raise {error}('no')",
    "def control(x):\n    return x[{n}000]",
    "def control(x):\n    return 1 // 0",
    "def control(x):\n    assert False, 'never'",
    "def control(x):\n    return undefined_name",
    "raise {error}('while it is read')\nlambda x: x",
    "class Mine(BaseException):\n    pass\ndef control(x):\n    raise Mine",
    "class Mine(Exception):\n    def __str__(self):\n        raise ValueError\ndef control(x):\n    raise Mine",
    "def control(x):\n    x.zero_()\n    raise {error}('late')",
    "def control(x, ctx):\n    return ctx.nothing",
    "def control(x, ctx):\n    return x + ctx.capture('transformer.h.{k}')",
    "def control(x, ctx):\n    return ctx.run('A').capture('transformer.h.0')",
    "def control(x, ctx):\n    return x + ctx.vector('nowhere')",
    "def control(x, ctx):\n    ctx.tokens = None\n    ctx.state = None\n    return x",
    "@site('no.such.module')\ndef other(x):\n    return x",
    "@site(3)\ndef other(x):\n    return x",
)
RECURSION = (
    "def control(x):\n    return control(x)",
    "f = lambda x: f(x)\nlambda x: f(x)",
    "class Deep:\n    def __getattr__(self, name):\n        return getattr(self, name)\n"
    "def control(x):\n    Deep().more",
    "import sys\nsys.setrecursionlimit({k}000)\ndef control(x):\n    return control(x)",
    "def control(x):\n    try:\n        return control(x)\n    except RecursionError:\n        return control(x)",
)
PRINTS = (
    "def control(x):\n    print(x)\n    return x",
    "print('read', {n})\nlambda x: x",
    "import sys\ndef control(x):\n    sys.stderr.write('no end')\n    return x",
    "def control(x):\n    for n in range({k}00):\n        print(n)\n    return x",
    "import sys\nsys.stdout = None\ndef control(x):\n    print('gone')\n    return x",
    "import warnings\ndef control(x):\n    warnings.warn('look')\n    return x",
    "import logging\ndef control(x):\n    logging.getLogger('mine').debug('%s', x)\n    return x",
    "def control(x):\n    print('z' * {k}0000, end='')\n    return x",
)
IMPORTS = (
    "import no_such_module_{k}\nlambda x: x",
    "from torch import nothing_{k}\nlambda x: x",
    "def control(x):\n    import no_such_module\n    return x",
    "from . import mine\nlambda x: x",
    "from math import *\nlambda x: x * tau",
    "import torch.nothing\nlambda x: x",
)
LOOPS = (
    "def control(x):\n    while True:\n        pass",
    "def control(x):\n    while True:\n        x = x + 1",
    "def control(x):\n    while True:\n        try:\n            x = x * 1\n        except:\n            pass",
    "def control(x):\n    for n in iter(int, 1):\n        try: pass\n        finally: continue",
    "def control(x):\n    return [n for n in iter(int, 1)]",
    "while True:\n    pass\nlambda x: x",
    *ENDLESS.values(),
)
MEMORY = (
    "lambda x: torch.ones(10**{big})",
    "lambda x: x.repeat(10**{big}, 1, 1)",
    "lambda x: bytearray(10**{big})",
    "lambda x: [0] * 10**{big}",
    "lambda x: 'a' * 10**{big}",
    "huge = torch.zeros(10**{big})\nlambda x: x",
    "import numpy\nlambda x: numpy.ones(10**{big})",
)
ENDS = (
    "def control(x):\n    exit()",
    "def control(x):\n    quit({k})",
    "import sys\ndef control(x):\n    sys.exit({k})",
    "exit()\nlambda x: x",
    "def control(x):\n    raise SystemExit",
    "def control(x):\n    raise KeyboardInterrupt",
    "def control(x):\n    raise GeneratorExit",
    "import os\ndef control(x):\n    os._exit({k})",
    "import os\ndef control(x):\n    os.abort()",
    "import os\nos.kill(os.getpid(), 9)\nlambda x: x",
    "def control(x):\n    return input('well?')",
    "def control(x):\n    breakpoint()\n    return x",
)
THREADS = (
    "import threading\ndef control(x):\n    t = threading.Thread(target=print, args=(1,))\n    t.start()\n"
    "    t.join()\n    return x",
    "from concurrent.futures import ThreadPoolExecutor\ndef control(x):\n    with ThreadPoolExecutor(2) as pool:\n"
    "        return pool.submit(lambda: x * {n}).result()",
    "import threading\ndef control(x):\n    t = threading.Thread(target=lambda: x.zero_())\n    t.start()\n"
    "    t.join()\n    return x",
    "import asyncio\nasync def later(x):\n    return x\ndef control(x):\n    return asyncio.run(later(x))",
)
PATCHES = (
    "import torch.nn.functional as F\nF.layer_norm = None\nlambda x: x",
    "import torch.nn.functional as F\nF.gelu = lambda x, **k: x\nlambda x: x",
    "torch.Tensor.__add__ = lambda a, b: a\nlambda x: x",
    "torch.nn.Linear.forward = lambda self, x: x\nlambda x: x",
    "torch.nn.Module.__call__ = None\nlambda x: x",
    "import math\nmath.sqrt = lambda x: {n}\nlambda x: x",
    "torch.tanh = None\ndef control(x):\n    return x",
    "torch.set_default_dtype(torch.float64)\nlambda x: x",
    "import builtins\nbuiltins.len = lambda x: {k}\nlambda x: x",
    "def control(x):\n    torch.matmul = None\n    torch.addmm = None\n    return x",
    "def control(x):\n    torch.set_grad_enabled(True)\n    return x",
    "def control(x):\n    torch.manual_seed({k})\n    return x + torch.randn_like(x)",
    "import sys\nsys.modules['torch.nn.functional'] = None\nlambda x: x",
)
ERRORS = ("ValueError", "KeyError", "RuntimeError", "StopIteration", "MemoryError", "OSError", "AssertionError")
FAMILIES = {
    "good": GOOD,
    "python": PYTHON,
    "shapes": SHAPES,
    "kinds": KINDS,
    "raises": RAISES,
    "recursion": RECURSION,
    "prints": PRINTS,
    "imports": IMPORTS,
    "loops": LOOPS,
    "memory": MEMORY,
    "ends": ENDS,
    "threads": THREADS,
    "patches": PATCHES,
}
_SIGNS = "()[]{}:,.'\"\\#@= \n\t\u00e9\u2028\u0660xλ0"


def generated(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Give (family, text); half of those that would be read without an error are then broken somewhere."""
    draw = random.Random(seed)
    names = list(FAMILIES)
    for number in range(count):
        # Each family in turn, loops more seldom: each takes as long as the patience with it.
        family = names[number % len(names)]
        if family == "loops" and draw.random() < 0.7:
            family = "good"
        text = _filled(draw, draw.choice(FAMILIES[family]))
        if family not in ("loops", "ends", "memory") and draw.random() < 0.3:
            family, text = f"{family}, broken", _broken(draw, text)
        yield family, text


def _filled(draw: random.Random, template: str) -> str:
    deep = draw.choice((3, 50, 99, 150, 1000, 20_000))
    values = {
        "{n}": str(draw.choice((0, 1, -2, 0.5, 1e30, 3))),
        "{k}": str(draw.randrange(1, 9)),
        "{big}": str(draw.choice((12, 13, 14, 17))),
        "{error}": draw.choice(ERRORS),
        "{deep}": "(" * deep,
        "{tail}": ")" * deep,
        "{minus}": "-" * deep,
        "{commas}": "1," * deep,
        "{{": "{",
    }
    for name, value in values.items():
        template = template.replace(name, value)
    return template


def _broken(draw: random.Random, text: str) -> str:
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(text) + 1)
        how = draw.randrange(4)
        if how == 0:
            text = text[:at] + text[at + draw.randrange(1, 5) :]
        elif how == 1:
            text = text[:at] + draw.choice(_SIGNS) + text[at:]
        elif how == 2:
            lines = text.split("\n")
            draw.shuffle(lines)
            text = "\n".join(lines)
        else:
            text = text[:at] + text[:at]
    return text

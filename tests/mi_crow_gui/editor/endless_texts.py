"""Controllers that never come back, each in a way of its own."""

from __future__ import annotations

from textwrap import dedent

ENDLESS = {
    name: dedent(text).strip()
    for name, text in {
        "nothing": """
            def control(x):
                while True:
                    pass
        """,
        "arithmetic": """
            def control(x):
                while True:
                    x = x * 1.0000001
        """,
        "large products": """
            def control(x):
                y = torch.ones(900, 900)
                while True:
                    y = (y @ y) / 900
        """,
        "a comprehension": """
            def control(x):
                return [n for n in iter(int, 1)]
        """,
        "a generator": """
            def control(x):
                return sum(n for n in iter(int, 1))
        """,
        "short sleeps": """
            import time
            def control(x):
                while True:
                    time.sleep(0.01)
        """,
        "printing": """
            def control(x):
                while True:
                    print(x)
        """,
        "memory that grows": """
            def control(x):
                kept = []
                while True:
                    kept.append([0] * 1000)
        """,
        "catches exceptions": """
            def control(x):
                while True:
                    try:
                        x = x + 1
                    except Exception: pass
        """,
        "catches everything": """
            def control(x):
                while True:
                    try:
                        x = x + 1
                    except BaseException: pass
        """,
        "a loop in a try": """
            def control(x):
                while True:
                    try:
                        while True: pass
                    except: pass
        """,
        "finally continue": """
            def control(x):
                for n in iter(int, 1):
                    try: pass
                    finally: continue
        """,
        "catches it twice": """
            def control(x):
                while True:
                    try:
                        try:
                            x = x + 1
                        except: pass
                    except: pass
        """,
        "catches it four times": """
            def control(x):
                while True:
                    try:
                        try:
                            try:
                                try:
                                    while True: x = x + 1
                                except: pass
                            except: pass
                        except: pass
                    except: pass
        """,
        "keeps what it catches": """
            def control(x):
                kept = []
                while True:
                    try:
                        while True: pass
                    except BaseException as error: kept.append(error)
        """,
        "loops again when caught": """
            def control(x):
                while True:
                    try:
                        while True: pass
                    except:
                        while True:
                            try:
                                while True: pass
                            except: pass
        """,
        "raises another": """
            def control(x):
                while True:
                    try:
                        try:
                            while True: pass
                        except: raise ValueError('no')
                    except ValueError: pass
        """,
        "a helper that catches": """
            def helper(x):
                try:
                    while True: x = x + 1
                except:
                    return x
            def control(x):
                while True:
                    x = helper(x)
        """,
        "a context that swallows": """
            class Swallows:
                def __enter__(self): return self
                def __exit__(self, *error): return True
            def control(x):
                while True:
                    with Swallows():
                        while True: pass
        """,
        "suppress": """
            import contextlib
            def control(x):
                while True:
                    with contextlib.suppress(BaseException):
                        while True: x = x * 1
        """,
        "an error that never says what it is": """
            class Mine(Exception):
                def __str__(self):
                    while True: pass
            def control(x):
                raise Mine
        """,
        "recursion": """
            def control(x):
                try:
                    return control(x)
                except RecursionError:
                    return control(x)
        """,
        "recursion that catches everything": """
            def control(x):
                try: return control(x)
                except: return control(x)
        """,
        "recursion, deeper": """
            import sys
            sys.setrecursionlimit(5000)
            def control(x):
                try:
                    return control(x)
                except RecursionError:
                    return control(x)
        """,
        "recursion through an attribute": """
            class Deep:
                def __getattr__(self, name):
                    try: return getattr(self, name)
                    except RecursionError: return getattr(self, name)
            def control(x):
                Deep().more
        """,
    }.items()
}

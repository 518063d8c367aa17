"""`python -m core_hooks` is `core-hooks`."""

import sys

from core_hooks.cli import main

if __name__ == "__main__":
    sys.exit(main())

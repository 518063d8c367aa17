"""`python -m mi_crow_gui` is `mi-crow-gui`."""

import sys

from mi_crow_gui.app import main

if __name__ == "__main__":
    sys.exit(main())

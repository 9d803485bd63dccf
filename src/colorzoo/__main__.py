"""Run the command line with ``python -m colorzoo``."""

import sys

from colorzoo.apps.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

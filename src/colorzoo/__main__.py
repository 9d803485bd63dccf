"""``python -m colorzoo`` is the command line."""

import sys

from colorzoo.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

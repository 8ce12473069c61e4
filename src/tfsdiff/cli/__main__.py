"""`python -m tfsdiff.cli` is `tfsdiff`."""

import sys

from tfsdiff.cli import main

if __name__ == "__main__":
    sys.exit(main())

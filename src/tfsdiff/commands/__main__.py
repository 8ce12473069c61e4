"""`python -m tfsdiff.commands` is `tfsdiff`."""

import sys

from tfsdiff.commands import main

if __name__ == "__main__":
    sys.exit(main())

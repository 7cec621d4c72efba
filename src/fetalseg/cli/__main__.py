"""``python -m fetalseg.cli``."""

import sys

from fetalseg.cli import main

sys.exit(main())

"""``python -m fetalseg.phantoms FOLDER`` writes the sample scans."""

import sys
from pathlib import Path

from fetalseg.phantoms.collection import write

write(Path(sys.argv[1] if len(sys.argv) > 1 else "sample_data"))

"""What tools/soak is made of."""

import sys
from pathlib import Path

# The end-to-end tests know how a broker is started and spoken to.
sys.path.insert(0, str(Path(__file__).parents[2] / "tests/e2e"))

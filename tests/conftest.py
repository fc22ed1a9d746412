"""Settings of the whole test run."""

import os

# Interpreters that tests start import what this one does: the installed package, not the source tree in their folder.
os.environ["PYTHONSAFEPATH"] = "1"

"""Latency targets in tests: what the pytest plugin does once a test uses it. The rest is imported then.

pytest itself is not among the package's requirements: nothing but the plugin imports this package.
"""

from typing import Any

import pytest

# What a test measured, `latencykit.testing.outcome.Record` objects.
RECORDS = pytest.StashKey[list[Any]]()

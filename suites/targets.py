"""Every target of the built-in suites, in one place.

`claimed` is the figure that the project's mission gives for the usual Python way today; reports show it beside what
the naive variant was measured to take on this machine.
"""

from latencykit.model import Target

TARGETS = {
    "orders": Target("p50", "100 ns", claimed="100 us"),
    "indicators": Target("p50", "500 ns", claimed="10 ms"),
    "logging": Target("p50", "50 ns", claimed="50 us"),
    "signals": Target("p50", "1 us", claimed="1 ms"),
    "engine": Target("p50", "10 ms", claimed="2 s"),
}

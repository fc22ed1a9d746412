"""Reports: each renders a run, or the progress towards one, and none of them measures."""

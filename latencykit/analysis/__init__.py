"""Pure functions on numbers: intervals, summaries, verdicts."""

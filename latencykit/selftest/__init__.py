"""Hold the tool against operations of known cost, on the real clock of the machine at hand."""

"""The built-in suites, one file a component; they use the public API only."""

"""One file per command of the command line, and what the commands share."""

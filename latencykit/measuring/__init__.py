"""Where samples are taken: conditions, samplers, the runner and its child processes, the machine meter."""

"""Types of the native module, kept true to it by stubtest."""

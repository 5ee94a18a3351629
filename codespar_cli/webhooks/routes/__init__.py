"""What happens to an event: which routes want it, and how each of them gets it at least once."""

"""Known values out of a stream of bytes: how they may be spelled, and what is shown in their place."""

"""The past and the imagined played through a policy: simulation and scenarios."""

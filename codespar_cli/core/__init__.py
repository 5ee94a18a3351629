"""The open core: contracts, registry, gate, configuration. Standard library only."""

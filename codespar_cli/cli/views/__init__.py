"""Pure functions from results to rows and JSON values: one file per command group."""

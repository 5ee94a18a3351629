"""Running a command that holds secrets: its environment, its terminal, its signals, and its output with values masked."""

"""The command line: the last layer. Commands parse, contracts do the work, views say what came of it."""

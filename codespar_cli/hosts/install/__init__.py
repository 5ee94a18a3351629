"""Putting `codespar hook` into the settings of agent hosts, taking it out again, and proving that it decides."""

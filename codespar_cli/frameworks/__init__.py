"""The gate inside agent frameworks, a thin module each: none is imported, and none is needed, until you name it."""

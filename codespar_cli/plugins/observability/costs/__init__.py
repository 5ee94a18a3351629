"""What a call costs when nobody says so, and what a month will."""

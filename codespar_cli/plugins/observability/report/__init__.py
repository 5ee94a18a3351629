"""One page that says what the calls took, cost and broke."""

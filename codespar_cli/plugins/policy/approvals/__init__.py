"""Requests for approval: what they are bound to, who votes, who is told."""

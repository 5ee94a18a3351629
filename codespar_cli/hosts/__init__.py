"""Agent hosts: what each sends to a hook and wants to hear, and one plain event behind all of it."""

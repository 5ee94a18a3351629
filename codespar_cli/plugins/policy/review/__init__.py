"""What can be said of a rules file without a call: findings, and differences from another."""

"""Other decision engines for the deny, approval and allow stages: Cedar and Rego."""

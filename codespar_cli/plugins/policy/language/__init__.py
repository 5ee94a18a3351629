"""The rules file: read strictly, checked whole, compiled to rules."""

"""What was recorded, in the words of other systems."""

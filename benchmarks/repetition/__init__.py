"""What the guard against endless readings sees."""

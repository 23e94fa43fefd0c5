"""Layout: page to regions in reading order."""

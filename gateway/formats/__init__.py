"""Documents in the formats that show where text stands, and in those of office programs."""

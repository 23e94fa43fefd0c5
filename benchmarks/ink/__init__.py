"""Whether the ink account finds text that a reading lacks."""

"""How good and how fast the embedded engine is."""

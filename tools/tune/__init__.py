"""Finds the settings with which this machine reads most pages a second."""

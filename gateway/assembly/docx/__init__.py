"""Pages as a Word document."""

"""The text that a PDF tells of its pages: proved against their pictures, then taken in the engine's place."""

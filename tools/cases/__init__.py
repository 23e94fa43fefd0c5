"""`make cases`: what must come out of each input of a folder, and whether it did."""

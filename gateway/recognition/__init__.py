"""From a region's crop to its text: calls dispatched, answers read, repetitions found."""

"""Who goes next: fair semaphores, the one queue of engine calls, and how many of them run at once."""

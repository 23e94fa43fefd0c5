"""Who may use the service, for what, and how much."""

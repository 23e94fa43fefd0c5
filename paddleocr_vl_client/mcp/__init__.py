"""Documents for agents: a server of the Model Context Protocol before a paddleocr-vl-service."""

"""`PUT /process`: what Open WebUI asks of an external document loader."""

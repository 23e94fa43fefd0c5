"""What Grafana shows of the service and what Prometheus warns of; `python -m tools.monitoring` writes both."""

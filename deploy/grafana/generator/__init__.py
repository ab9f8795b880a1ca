"""Makes the dashboards in ``deploy/grafana/dashboards``: ``python -m deploy.grafana.generator``."""

"""Drills with a real Prometheus, Alertmanager and receiver of notices."""

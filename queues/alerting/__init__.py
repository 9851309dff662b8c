"""Alerts: what is measured, when it fires and clears, who is told. The mirror that leads turns it (mirror.alerts)."""

"""Self-hosted multi-agent orchestration on a durable event log."""

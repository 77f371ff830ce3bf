"""The Managed Agents API over HTTP."""

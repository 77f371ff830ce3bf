"""What requests may hold, as Pydantic models."""

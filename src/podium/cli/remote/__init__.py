"""A team on another server: driven through the official client, shown as if it ran here."""

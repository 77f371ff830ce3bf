"""Does what core decides. Everything asyncio is here and in the adapters."""

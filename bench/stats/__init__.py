"""Statistics on plain sequences of numbers."""

"""The wire: how a `Call` is written as GenAI attributes and metrics, and read back. Pure."""

"""Limits: how they are written, which bind a call, the most that a call can cost, and what to do then. Pure."""

from tollkeeper.policy.policy import Policy

__all__ = ["Policy"]

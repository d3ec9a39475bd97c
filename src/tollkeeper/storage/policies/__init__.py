"""The sidecar's policy: every version that there was, who has set it, and why."""

from tollkeeper.storage.policies.store import PolicyConflict, PolicyStore
from tollkeeper.storage.policies.versions import PolicyVersion

__all__ = ["PolicyConflict", "PolicyStore", "PolicyVersion"]

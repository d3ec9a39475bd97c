"""One version of the policy, as a row of the database and as a document."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple, Self

from sqlalchemy import Row

from tollkeeper.policy import Policy
from tollkeeper.policy.document import Document, policy_document, read_json


class PolicyVersion(NamedTuple):
    """What the policy was from `recorded_at` on, in nanoseconds since the epoch. `document` is as `read_json` has it.

    `hash` is of all the rest: a row that was changed behind our back shows.
    """

    id: int
    document: Document
    recorded_at: int
    author: str
    reason: str
    hash: str = ""

    def policy(self) -> Policy:
        """The policy that it says."""
        return read_json(json.dumps(self.document), f"policy version {self.id}")

    def hashed(self) -> Self:
        """With its hash."""
        covered = json.dumps([self.id, self.document, self.recorded_at, self.author, self.reason], sort_keys=True)
        return self._replace(hash=hashlib.sha256(covered.encode()).hexdigest())


NO_POLICY = PolicyVersion(0, policy_document(Policy()), 0, "", "")
"""What is in force as long as nobody has set one: no limits."""


def version_of(row: Row[Any]) -> PolicyVersion:
    """A row of the table."""
    values = row._asdict()
    return PolicyVersion(**{**values, "document": json.loads(values["document"])})

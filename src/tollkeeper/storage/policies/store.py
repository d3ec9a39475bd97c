"""The policy in the database. A change is a new version; nothing in it is ever changed, and all of it is audited.

What was used of a limit is kept under the limit's name, and not here: a change of an amount begins nothing anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from sqlalchemy import Connection, insert, select

from tollkeeper.policy import Policy
from tollkeeper.policy.document import Document, policy_document, read_json
from tollkeeper.policy.quota import with_quotas_of
from tollkeeper.storage.audit import AuditTrail
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.failures import told_apart
from tollkeeper.storage.policies.tables import POLICY_VERSIONS
from tollkeeper.storage.policies.versions import NO_POLICY, PolicyVersion, version_of
from tollkeeper.storage.revision import Revision

KIND = "policy"
"""What the audit trail calls it."""

LONGEST_NAME, LONGEST_REASON = 255, 2000


class PolicyConflict(Exception):
    """The policy is another one by now."""


class PolicyStore:
    """The policy of one database. Any number of threads and processes may use it at once.

    All of it raises `LedgerUnavailable` while the database cannot be used.
    """

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        self._audit = AuditTrail(database, clock)
        self._revision = Revision(database, POLICY_VERSIONS)

    def current(self) -> PolicyVersion:
        """What is in force; version 0, which has no limits, if nobody has set any."""
        with told_apart(self._database), self._database.read() as connection:
            return _last(connection)

    def version(self, number: int) -> PolicyVersion | None:
        """What was, or is, in force by this number; `None` if nothing ever was."""
        wanted = select(POLICY_VERSIONS).where(POLICY_VERSIONS.c.id == number)
        with told_apart(self._database), self._database.read() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else version_of(row)

    def revision(self) -> int:
        """The version in force. Takes some microseconds."""
        with told_apart(self._database):
            return self._revision.read()

    def set(
        self, policy: Policy, *, author: str, reason: str, expected: int | None = None, keep_quotas: bool = True
    ) -> PolicyVersion:
        """Put a policy in force. Where it is what is in force already, no version is added.

        Quotas of single configurations that it does not name itself stay, but for `keep_quotas=False`.

        Raises `PolicyConflict` if `expected` is not the version that it replaces, as somebody else was quicker; and
        `ValueError` for an author or a reason that is empty or too long, or a policy that cannot be written down.
        """
        _check_signature(author, reason)
        document = _written(policy)
        with told_apart(self._database), self._database.write() as connection:
            self._audit.take_turn(connection)
            last = _last(connection)
            if expected is not None and expected != last.id:
                raise PolicyConflict(f"the policy is at version {last.id}, and not at {expected} any more")
            if keep_quotas and (whole := with_quotas_of(last.policy(), policy)) is not policy:
                document = _written(whole)
            if last.id and last.document == document:
                return last
            return self._add(connection, last, document, author, reason)

    def edit(self, change: Callable[[Policy], Policy], *, author: str, reason: str) -> PolicyVersion:
        """Change what is in force, whatever it is by then. Raises as `set`, and what `change` does."""
        while True:
            last = self.current()
            try:
                return self.set(
                    change(last.policy()), author=author, reason=reason, expected=last.id, keep_quotas=False
                )
            except PolicyConflict:
                continue

    def history(self, after: str | None = None, limit: int = 50) -> tuple[list[PolicyVersion], str | None]:
        """A page of versions, newest first, and the cursor of the next one. Raises `ValueError` for a false cursor."""
        rows = select(POLICY_VERSIONS)
        if after is not None:
            if not (after.isascii() and after.isdigit() and len(after) < 10):
                raise ValueError(f"{after!r} is no cursor of the policy's history")
            rows = rows.where(POLICY_VERSIONS.c.id < int(after))
        with told_apart(self._database), self._database.read() as connection:
            found = connection.execute(rows.order_by(POLICY_VERSIONS.c.id.desc()).limit(limit + 1)).all()
        versions = [version_of(row) for row in found[:limit]]
        return versions, str(versions[-1].id) if len(found) > limit else None

    def broken(self) -> list[int]:
        """The versions whose hash is not that of what they say, or that are missing: somebody has changed the table."""
        with told_apart(self._database), self._database.read() as connection:
            versions = [version_of(row) for row in connection.execute(select(POLICY_VERSIONS))]
        found = {version.id for version in versions}
        changed = {version.id for version in versions if version.hashed().hash != version.hash}
        return sorted(changed | (set(range(1, max(found, default=0) + 1)) - found))

    def close(self) -> None:
        """Let go of the connection that reads the revision."""
        self._revision.close()

    def _add(
        self, connection: Connection, last: PolicyVersion, document: dict[str, object], author: str, reason: str
    ) -> PolicyVersion:
        # Clocks differ between hosts; what came later must not seem to have come before.
        version = PolicyVersion(last.id + 1, document, max(self._clock(), last.recorded_at), author, reason).hashed()
        connection.execute(insert(POLICY_VERSIONS), {**version._asdict(), "document": json.dumps(document)})
        self._audit.record(
            connection,
            author=author,
            action="set",
            kind=KIND,
            object_id=str(version.id),
            before=last.document if last.id else None,
            after=document,
            reason=reason,
        )
        return version


def _written(policy: Policy) -> Document:
    document = policy_document(policy)
    # A policy that was made by a program may say what no document can.
    read_json(json.dumps(document), "policy")
    return document


def _last(connection: Connection) -> PolicyVersion:
    row = connection.execute(select(POLICY_VERSIONS).order_by(POLICY_VERSIONS.c.id.desc()).limit(1)).one_or_none()
    return NO_POLICY if row is None else version_of(row)


def _check_signature(author: str, reason: str) -> None:
    for name, value, longest in (("author", author, LONGEST_NAME), ("reason", reason, LONGEST_REASON)):
        if not value.strip() or len(value) > longest:
            raise ValueError(f"{name} is {value[:80]!r}; expected a text of at most {longest} characters, not empty")

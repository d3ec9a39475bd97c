"""The REST API under `/api/v1`: what the ledger knows, for people and programs. `app.build` makes it."""

from tollkeeper.sidecar.api.app import build
from tollkeeper.sidecar.api.services import Services
from tollkeeper.sidecar.api.vitals import DatabaseState, Forwarding, Health, Ingest, Spool, Vitals

__all__ = ["DatabaseState", "Forwarding", "Health", "Ingest", "Services", "Spool", "Vitals", "build"]

"""Settings: providers in use, who may do what, the audit trail, what is recorded, and how the sidecar is."""

from __future__ import annotations

from tollkeeper.sidecar.web.pages.settings import access, audit, health, keys, providers, recording, users
from tollkeeper.sidecar.web.routes import Change, Show, tabbed

TABS = {
    "providers": providers.show,
    "access": access.show,
    "audit": audit.show,
    "recording": recording.show,
    "health": health.show,
}

ROUTES: tuple[Show | Change, ...] = (Show("/settings", tabbed(TABS)), *keys.ROUTES, *users.ROUTES)

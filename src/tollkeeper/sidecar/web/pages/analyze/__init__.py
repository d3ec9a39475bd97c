"""Analysis: what makes up spend, how providers do, where periods will end, what is odd, and what could be cheaper."""

from __future__ import annotations

from tollkeeper.sidecar.web.pages.analyze import (
    anomalies,
    breakdown,
    forecast,
    patterns,
    providers,
    recommendations,
    what_if,
)
from tollkeeper.sidecar.web.pages.analyze.tabs import PATH
from tollkeeper.sidecar.web.routes import Answer, Show, tabbed

SHOWN: dict[str, Answer] = {
    "breakdown": breakdown.breakdown,
    "providers": providers.providers,
    "forecast": forecast.forecast,
    "anomalies": anomalies.anomalies,
    "recommendations": recommendations.recommendations,
}

ROUTES = (
    Show(PATH, tabbed(SHOWN)),
    *breakdown.ROUTES,
    *patterns.ROUTES,
    *providers.ROUTES,
    *forecast.ROUTES,
    *what_if.ROUTES,
    *anomalies.ROUTES,
    *recommendations.ROUTES,
)

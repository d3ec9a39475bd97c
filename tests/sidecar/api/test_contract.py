"""The API does what its OpenAPI document says, whatever it is sent: schemathesis makes up the requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from sidecar.api.world import NOW, World, failed, make_call, unpriced
from tollkeeper.sidecar.api import Services, build

EXAMPLES = 20
"""Of each operation."""

NOT_SAID_BY_THE_SCHEMA = [positive_data_acceptance]
"""That a text is a day, a zone or a cursor, and that a row exists, is checked when it is read."""


@pytest.fixture(scope="module")
def world_with_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("contract")
    made = World(f"sqlite:///{folder / 'ledger.db'}")
    made.record(
        make_call(1), unpriced(2), failed(3),
        make_call(4, at=NOW - timedelta(days=40), provider="anthropic", tags={"tenant": "ümläut", "free": "x"}),
    )  # fmt: skip
    made.prices.add("price", {"model": "acme-*", "input": "1", "output": "2"}, author="tests", reason="a row")
    yield made
    made.close()


@pytest.fixture(scope="module")
def api_schema(world_with_data: World) -> Any:
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", world_with_data.app)


@pytest.fixture(scope="module")
def bearer(world_with_data: World) -> dict[str, str]:
    return {"Authorization": f"Bearer {world_with_data.key('admin')}"}


def operations() -> list[tuple[str, str]]:
    paths = build(cast(Services, None)).openapi()["paths"]
    return [(path, method) for path, methods in paths.items() for method in methods]


@pytest.mark.parametrize(("path", "method"), operations(), ids=lambda text: text)
def test_an_operation_keeps_its_contract(api_schema: Any, bearer: dict[str, str], path: str, method: str) -> None:
    # Schemathesis's own decorator for pytest does not know pytest 9.
    @given(case=api_schema[path][method].as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def keeps(case: Any) -> None:
        # Starlette mounts by `.*`: a path with a line break in it comes to no API, and says nothing of it.
        assume(not any("\n" in str(value) for value in (case.path_parameters or {}).values()))
        case.call_and_validate(headers=bearer, excluded_checks=NOT_SAID_BY_THE_SCHEMA)

    keeps()

from __future__ import annotations

import pytest

from tollkeeper.pricing import Catalog


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog()

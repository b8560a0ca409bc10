"""Both databases keep the contract of a store."""

from collections.abc import Iterator

import pytest

from trema.store import open_store
from trema.store.base import Store
from trema.testing.store import StoreContract


class TestSqlite(StoreContract):
    @pytest.fixture
    def store(self, sqlite_url: str) -> Iterator[Store]:
        store = open_store(sqlite_url)
        yield store
        store.close()


@pytest.mark.slow
class TestPostgreSQL(StoreContract):
    @pytest.fixture
    def store(self, postgres_url: str) -> Iterator[Store]:
        store = open_store(postgres_url)
        yield store
        store.close()

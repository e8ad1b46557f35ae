"""The driver's contract on the stores that need no server; see test_s3, test_azure and test_gcs for the others."""
import pytest

from support import remote


@pytest.mark.parametrize("store", ["posix", "memory"])
def test_the_drivers_contract(store):
    remote.keep_the_contract({"PGCAIRN_TEST_STORE": store})

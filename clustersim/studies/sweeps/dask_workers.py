"""A sweep on other machines: the workers of a Dask cluster as an executor."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from clustersim.errors import ClustersimError, MissingExtraError

CONNECT_SECONDS = 10


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers behind a Dask scheduler's address, such as tcp://10.0.0.1:8786.

    A chunk whose worker is lost is done again by another one. Raises MissingExtraError without the package distributed,
    ClustersimError where nobody answers at the address.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise MissingExtraError("distributed", "dask") from error
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ClustersimError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        yield client.get_executor(pure=False)

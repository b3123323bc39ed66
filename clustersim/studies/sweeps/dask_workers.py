"""A sweep on other machines: the workers of a Dask cluster as an executor."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from clustersim.errors import ClustersimError, MissingExtraError

CONNECT_SECONDS = 10
LOGGERS = (
    *("distributed", "distributed.client", "distributed.core", "distributed.comm", "distributed.utils"),
    *("tornado", "tornado.application", "tornado.general", "asyncio"),  # Dask gives some of them levels of their own
)


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
    with _quiet():
        try:
            client = distributed.Client(address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise ClustersimError(f"no Dask scheduler answers at {address}: {error}") from error
        with client:
            yield client.get_executor(pure=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """What is lost is said by us, once, and not by every part of Dask with its traceback."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    yield  # where it raises they stay quiet: threads of a client whose scheduler is lost complain for some time
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)

"""Fixtures of the wire tests: stages that the tests of a module share."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support.certificates import TlsFiles
from support.stage import OpenStage, Stage


@pytest.fixture(scope="module")
def open_stage(tls_files: TlsFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStage]:
    """Open stages (see ``Stage``); the same options get the same stage, which stays up until the module's end."""
    stages: dict[str, Stage] = {}
    with ExitStack() as stack:

        def open_(**options: Any) -> Stage:
            key = repr(sorted(options.items()))
            if key not in stages:
                stages[key] = stack.enter_context(Stage(tmp_path_factory.mktemp("stage"), tls_files, **options))
            return stages[key]

        yield open_

"""Consecutive and parallel runs."""

from __future__ import annotations

import pytest

from tests.engine.test_concurrency import (
    site,
    test_parallel_runs_without_an_image_do_not_disturb_each_other,
    test_the_second_run_builds_nothing,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "site",
    "test_parallel_runs_without_an_image_do_not_disturb_each_other",
    "test_the_second_run_builds_nothing",
]

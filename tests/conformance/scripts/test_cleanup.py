"""No container outlives its host process."""

from __future__ import annotations

import pytest

from tests.engine.test_cleanup import (
    running,
    test_a_run_leaves_other_live_runs_alone,
    test_the_next_run_sweeps_what_the_watchdog_missed,
    test_the_watchdog_removes_the_container_of_a_killed_host_process,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "running",
    "test_a_run_leaves_other_live_runs_alone",
    "test_the_next_run_sweeps_what_the_watchdog_missed",
    "test_the_watchdog_removes_the_container_of_a_killed_host_process",
]

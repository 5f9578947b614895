"""Commands in the container of a run."""

from __future__ import annotations

import pytest

from tests.engine.test_exec import (
    site,
    test_a_command_in_a_run_has_its_own_streams_and_status,
    test_a_command_that_cannot_start_is_reported_on_stderr,
    test_a_signal_reaches_only_the_command,
    test_on_a_terminal_the_command_has_one_and_control_c_is_a_key,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "site",
    "test_a_command_in_a_run_has_its_own_streams_and_status",
    "test_a_command_that_cannot_start_is_reported_on_stderr",
    "test_a_signal_reaches_only_the_command",
    "test_on_a_terminal_the_command_has_one_and_control_c_is_a_key",
]

"""On a terminal."""

from __future__ import annotations

import pytest

from tests.engine.test_terminal import (
    test_control_c_cancels,
    test_control_c_is_the_guests_where_the_options_say_so,
    test_the_guest_has_the_hosts_terminal_its_size_and_its_keys,
    test_with_one_stream_elsewhere_all_three_stay_apart,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "test_control_c_cancels",
    "test_control_c_is_the_guests_where_the_options_say_so",
    "test_the_guest_has_the_hosts_terminal_its_size_and_its_keys",
    "test_with_one_stream_elsewhere_all_three_stay_apart",
]

"""The effects of the options of a run."""

from __future__ import annotations

import pytest

from tests.engine.test_ports_env_mounts import (
    nothing_left,
    site,
    test_a_file_of_variables_reaches_the_guest,
    test_a_guest_may_have_no_network,
    test_a_hardened_guest_has_no_capability,
    test_a_hardened_guest_writes_only_to_its_home_and_tmp,
    test_a_port_chosen_by_the_engine_is_shown,
    test_a_read_only_mount_refuses_to_be_written,
    test_a_relative_source_starts_from_the_current_directory,
    test_a_server_on_the_loopback_of_the_guest_is_reached,
    test_a_server_on_the_loopback_of_the_guest_is_reported,
    test_a_taken_port_is_an_error_that_names_it,
    test_a_tmpfs_is_empty_and_writable_with_its_size,
    test_no_guest_can_gain_rights,
    test_no_other_variable_is_passed,
    test_none_passes_the_value_of_the_host,
    test_shared_memory_has_the_requested_size,
    test_time_zone_and_locale_are_passed,
    test_values_arrive_exactly,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "nothing_left",
    "site",
    "test_a_file_of_variables_reaches_the_guest",
    "test_a_guest_may_have_no_network",
    "test_a_hardened_guest_has_no_capability",
    "test_a_hardened_guest_writes_only_to_its_home_and_tmp",
    "test_a_port_chosen_by_the_engine_is_shown",
    "test_a_read_only_mount_refuses_to_be_written",
    "test_a_relative_source_starts_from_the_current_directory",
    "test_a_server_on_the_loopback_of_the_guest_is_reached",
    "test_a_server_on_the_loopback_of_the_guest_is_reported",
    "test_a_taken_port_is_an_error_that_names_it",
    "test_a_tmpfs_is_empty_and_writable_with_its_size",
    "test_no_guest_can_gain_rights",
    "test_no_other_variable_is_passed",
    "test_none_passes_the_value_of_the_host",
    "test_shared_memory_has_the_requested_size",
    "test_time_zone_and_locale_are_passed",
    "test_values_arrive_exactly",
]

"""What travels arrives as it is."""

from __future__ import annotations

import pytest

from tests.engine.test_context import (
    project,
    test_links_travel_and_what_is_not_a_file_stays_behind_with_a_line_each,
    test_names_are_bytes_and_arrive_as_they_are,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "project",
    "test_links_travel_and_what_is_not_a_file_stays_behind_with_a_line_each",
    "test_names_are_bytes_and_arrive_as_they_are",
]

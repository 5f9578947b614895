"""Limits for untrusted data: from guests, builds of dependencies, engines, registries.

Every reader of foreign data uses these limits, so that memory and disk usage never depend on the sender.
Sizes are in bytes, unless a name says otherwise. Larger data is an error, or is truncated if it is only shown.
"""

from __future__ import annotations

from typing import Final

# Engines --------------------------------------------------------------------------------------------

HTTP_HEAD: Final = 1 << 16
"""Status line and headers of an answer, or its trailers; engines send a few hundred."""
ANSWER: Final = 32 << 20
"""An answer that is read whole; a list of thousands of images takes a few MiB."""
ANSWER_VALUES: Final = 1_000_000
"""Values in a JSON document of an engine: an empty list takes two bytes of text, and 64 of memory."""
DOCUMENT_CHARACTERS: Final = 8 << 20
"""One document in a stream of them; engines send some hundred, and as much as a step writes at once."""
REFUSAL: Final = 1 << 16
"""The body of an answer that refuses a request."""
REFUSAL_SECONDS: Final = 10.0
"""The time limit for all of it, in seconds; the part that has arrived by then is used."""
REFUSAL_CHARACTERS: Final = 4000
"""Of its message that are shown, most of them from the end, where the reason stands."""
STREAM_MESSAGE: Final = 1000
"""Of an engine's message about a stream that failed."""

SESSION_MESSAGE: Final = 1 << 16
"""One message by which BuildKit asks for a file, a secret or a login: a few hundred bytes."""

# Logs -----------------------------------------------------------------------------------------------

LOG_LINES: Final = 40
"""Of a log that an error repeats."""
LINE: Final = 1 << 16
"""One line of output that is kept until it ends; of a longer one the rest is dropped."""
LINE_CHARACTERS: Final = 1 << 13
"""One line of output that is shown."""

TAIL_CHARACTERS: Final = 1 << 10
"""Of each line of a step's output that is kept for the case that the step fails: steps are many."""
BUILD_STEPS: Final = 5_000
"""Steps of a build that are followed at the same time; those of a Containerfile are some dozens."""
STEP_CHARACTERS: Final = 1 << 12
"""Of a step's name, and of the reason why it failed."""

ADVISED_CHARACTERS: Final = 512
"""One line in which the reason of a failed installation is looked for."""

# Archives -------------------------------------------------------------------------------------------

EXTENDED_HEADER: Final = 1 << 20
"""The extended header of one member of an archive. A path has up to 4 KiB, extended attributes up to 64 KiB each."""
EXTENDED_HEADERS: Final = 8
"""How many of them one member can have."""
LAYER_MEMBERS: Final = 4_000_000
"""Paths in one layer of an image; an image for machine learning has some 100,000."""
SAVED_IMAGE: Final = 256 << 30
"""An image that an engine hands over as an archive."""
SAVED_MEMBERS: Final = 10_000
"""Files in such an archive: some for each layer, of which engines take about 125."""
IMAGE_CONFIGURATION: Final = 16 << 20
"""What describes an image in it."""
INSTALLED: Final = 64 << 30
"""What an installation can write. A set of packages for machine learning on GPUs takes some 10 GiB."""
INSTALLATION_ANSWER: Final = 16 << 20
"""The line before that archive: the paths that are gone."""
INSTALLATION_VALUES: Final = 500_000
"""How many these can be."""
PACKAGE_RECORDS: Final = 32 << 20
"""One file in which a package manager lists packages."""
PACKAGE_HEADERS: Final = 1 << 20
"""The beginning of a Python package's metadata, which holds what is read of it."""
PACKAGES: Final = 200_000
"""How many packages an image can have."""
PROGRAM_ANSWER: Final = 1 << 12
"""What a small program of Buildr's answers, such as a version."""

# Calls ----------------------------------------------------------------------------------------------

CALL_HEAD: Final = 1 << 16
"""The first line of a call's answer."""
CALL_REPORT: Final = 4 << 20
"""The report of an exception, or of a value that cannot travel; the guest part cuts its own to 2 MiB."""
CALL_REPORT_VALUES: Final = 20_000
"""Values in it."""

"""The conformance tests: what a backend must do, be it a third party's or one for a new version of an engine.

Install the distribution with the backend (its entry point is in the group ``buildr.backends``), start its engine, and
store an image with a shell and Python 3.8 or newer there. Then run, in a clone of Buildr, as the user of the engine::

    python -m pytest tests/conformance --backend NAME --base-image REFERENCE

It takes at most four minutes on two processors, and prints a line for each failure. There are two kinds of tests:

- ``test_images``, ``test_builds``, ``test_containers``, ``test_streams``, ``test_options``, ``test_volumes``: each method of
  `buildr.engines.protocol.Backend`, in this process.
- ``test_scripts``: decorated scripts, run as a user runs them. They are tests from ``tests/engine``, run on one engine.

Nothing here depends on a specific engine, its command, paths or store. Tests of what a backend declares that it cannot
do (`Backend.appends`, an engine on another machine) are skipped with the reason. ``--registry HOST:PORT`` names an open
HTTP registry to which the engine can push; without one, those tests are skipped.
"""

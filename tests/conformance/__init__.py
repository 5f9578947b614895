"""What a backend must do: the promise by which an engine of somebody else's, or a new version of one, is judged.

Install the distribution that has the backend (its entry point is in the group ``buildr.backends``), start its engine, store an image with
Python 3.8 or newer and a shell there, and run, in a clone of Buildr, as the user that the engine is for::

    python -m pytest tests/conformance --backend NAME --base-image REFERENCE

It takes no more than four minutes on two processors, and prints a line for each promise that is not kept. There are two kinds:

- ``test_images``, ``test_builds``, ``test_containers``, ``test_streams``, ``test_options``, ``test_volumes``: each method of
  `buildr.engines.protocol.Backend`, in this process.
- ``test_scripts``: decorated scripts, run as a user would run them. They are tests of ``tests/engine``, which run here on one engine.

Nothing here knows an engine: no command of one, no path, no store. What a backend says that it cannot do (`Backend.appends`, an engine on
another machine) is skipped, with the reason. ``--registry HOST:PORT`` names an open registry by HTTP that the engine may push to; without one
that promise is skipped, too.
"""

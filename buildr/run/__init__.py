"""Runs one container, from creation to exit status, with its streams, signals and watchdog; and lists the runs.

It may import `buildr.engines`, `buildr.host`, `buildr.options` and `buildr.plan`; it does not know how the image was
made.
"""

"""One container, from its creation to its exit status: streams, signals, the watchdog; and the list of runs.

It may import `buildr.engines`, `buildr.host`, `buildr.options` and `buildr.plan`; it does not know how an image was made.
"""

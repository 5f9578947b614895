"""One container, from its creation to its exit status: streams, signals, the watchdog; and the runs that there are.

It may import `buildr.engines`, `buildr.host`, `buildr.options` and `buildr.plan`; it knows nothing of how an image came about.
"""

"""One container, from its creation to its exit status: streams, signals, the watchdog; and the runs there are."""

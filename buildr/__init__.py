"""Run a Python script in a container with one decorator."""

# /// script
# requires-python = ">=3.9"
# dependencies = ["six", "markdown-it-py[linkify]", "tomli; python_version < '3.11'"]
# ///

"""``python -m buildr``: the command ``buildr``."""

from buildr.cli import main

if __name__ == "__main__":
    main()

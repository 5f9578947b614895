import os
import platform
import sys

from buildr import Containerize


@Containerize
def main() -> None:
    print(f"hello {' '.join(sys.argv[1:]) or 'world'}, from {platform.node()}")
    print(f"Python {platform.python_version()}, uid {os.getuid()}, in {os.getcwd()}")


if __name__ == "__main__":
    main()

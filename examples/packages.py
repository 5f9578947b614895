"""Packages from the index, named in the script itself (PEP 723): python examples/packages.py"""

# /// script
# requires-python = ">=3.8"
# dependencies = ["humanize>=4"]
# ///

from buildr import Containerize


@Containerize(package={"name": "packages"})
def main() -> None:
    import humanize  # installed in the container only

    print(humanize.naturalsize(123_456_789), "is", humanize.intword(123_456_789), "bytes")


if __name__ == "__main__":
    main()

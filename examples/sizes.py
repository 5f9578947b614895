import sys

from buildr import Containerize


@Containerize(package={"dependencies": ["humanize"]})
def main() -> None:
    import humanize  # installed in the container only

    for size in sys.argv[1:]:
        print(humanize.naturalsize(int(size)))


if __name__ == "__main__":
    main()

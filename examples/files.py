"""Files beyond the context, with modes of their own: python examples/files.py"""

from pathlib import Path

from buildr import Containerize, PackageFile

SETTINGS = Path("/etc/hello/settings.toml")


@Containerize(
    package={
        "name": "files",
        "additional_files": [PackageFile("settings.toml", str(SETTINGS), "0440")],
    }
)
def main() -> None:
    print(f"{SETTINGS} has mode {SETTINGS.stat().st_mode & 0o777:04o} and says:")
    print(SETTINGS.read_text(), end="")


if __name__ == "__main__":
    main()

"""Entry points of other distributions.

Reading entry points takes about 40 ms, so this happens only for names that are not built in.
https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

from buildr.errors import OptionError

__all__ = ["load_plugin", "plugin_names"]


def plugin_names(group: str) -> frozenset[str]:
    """Return the names of all installed entry points of a group."""
    from importlib.metadata import entry_points

    return frozenset(point.name for point in entry_points(group=group))


def load_plugin(group: str, name: str, kind: str) -> tuple[object, str] | None:
    """Import an entry point.

    Args:
        group: such as ``buildr.backends``.
        name: in lower case; names of entry points match in any case.
        kind: the term for errors, such as ``backend``.

    Returns:
        The object with the entry point's value, ``module:attribute``; ``None`` where no distribution adds that name.

    Raises:
        OptionError: it cannot be imported.
    """
    from importlib.metadata import entry_points

    for point in entry_points(group=group):
        if point.name.lower() != name:
            continue
        try:
            return point.load(), point.value
        except Exception as error:  # another project's code may raise anything
            raise OptionError(
                f"the {kind} {name!r} ({point.value}) cannot be imported:"
                f" {type(error).__name__}: {error}",
                hint="Reinstall the distribution that it comes from.",
            ) from error
    return None

"""Deltas: applying them turns the old tree into the new one."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildr.context.delta import State, difference
from buildr.context.entries import Entry, EntryKind, normal_mode


class Node(NamedTuple):
    kind: EntryKind
    mode: int = 0o644
    content: bytes = b""
    target: str = ""


Tree = dict[str, Node]

FOLDER = Node("dir", 0o755)


def state(tree: Tree) -> State:
    """Return the scan of such a tree: folders precede their contents."""
    paths = sorted(tree)
    entries = tuple(
        Entry(p, n.kind, n.mode, len(n.content), 0, 0, 0, n.target)
        for p, n in ((path, tree[path]) for path in paths)
    )
    return State(entries, [tree[path].content for path in paths])


def apply(tree: Tree, old: Tree, new: Tree) -> Tree:
    """Apply the delta from ``old`` to ``new`` to ``tree``."""
    delta = difference(state(old), state(new))
    assert delta is not None
    result = dict(tree)
    for gone in delta.removed:
        result = {p: n for p, n in result.items() if p != gone and not p.startswith(f"{gone}/")}
    seen = set(result)
    for entry in delta.put:
        parent = entry.path.rpartition("/")[0]
        assert parent == "" or parent in seen, "a folder comes before what is in it"
        there = result.get(entry.path)
        # Engines do not change the type of a path, or write over a link.
        assert there is None or (there.kind == entry.kind != "symlink")
        result[entry.path] = new[entry.path]
        seen.add(entry.path)
    assert delta.size == sum(e.size for e in delta.put)
    return result


def image(tree: Tree) -> dict[str, tuple[object, ...]]:
    return {p: (n.kind, normal_mode(n.mode, n.kind), n.content, n.target) for p, n in tree.items()}


def nodes() -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(
            Node,
            st.just("file"),
            st.sampled_from([0o644, 0o755, 0o604]),
            st.sampled_from([b"", b"1", b"2"]),
            st.just(""),
        ),
        # All fields are given; otherwise Hypothesis would generate them.
        st.builds(Node, st.just("dir"), st.sampled_from([0o755, 0o555]), st.just(b""), st.just("")),
        st.builds(Node, st.just("symlink"), st.just(0o777), st.just(b""), st.sampled_from("ab")),
    )


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    tree: Tree = {}
    for path in draw(
        st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join))
    ):
        parent = path.rpartition("/")[0]
        if parent == "" or tree.get(parent, Node("file")).kind == "dir":
            tree[path] = draw(nodes())
            if tree[path].kind != "dir":
                tree = {p: n for p, n in tree.items() if not p.startswith(f"{path}/")}
    return tree


@given(old=trees(), new=trees())
def test_a_delta_turns_the_old_tree_into_the_new_one(old: Tree, new: Tree) -> None:
    assert image(apply(old, old, new)) == image(new)


@given(tree=trees())
def test_the_delta_of_an_unchanged_tree_is_empty(tree: Tree) -> None:
    delta = difference(state(tree), state(tree))
    assert delta is not None
    assert (delta.put, delta.removed, delta.size) == ((), (), 0)


def test_only_changed_files_and_their_parents_are_copied() -> None:
    old: Tree = {
        "a": FOLDER,
        "a/b": FOLDER,
        "a/b/x": Node("file", content=b"1"),
        "a/y": Node("file", content=b"1"),
        "z": Node("file", content=b"1"),
    }
    delta = difference(state(old), state({**old, "a/b/x": Node("file", content=b"22")}))
    assert delta is not None
    assert [entry.path for entry in delta.put] == ["a", "a/b", "a/b/x"]
    assert (delta.removed, delta.size) == ((), 2)


def test_a_removed_folder_is_one_path() -> None:
    old: Tree = {"a": FOLDER, "a/b": FOLDER, "a/b/c": Node("file"), "a-b": Node("file")}
    delta = difference(state(old), state({}))
    assert delta is not None
    assert delta.removed == ("a", "a-b")


def test_group_permissions_that_the_image_ignores_change_nothing() -> None:
    one, two = {"a": Node("file", 0o644)}, {"a": Node("file", 0o664)}
    delta = difference(state(one), state(two))
    assert delta is not None
    assert delta.put == ()


HARD: Tree = {"a": Node("file", content=b"1"), "b": Node("hardlink", target="a"), "c": Node("file")}


@pytest.mark.parametrize(
    "new",
    [
        {**HARD, "a": Node("file", content=b"2")},
        {**HARD, "b": Node("file", content=b"1")},
        {**HARD, "d": Node("hardlink", target="a")},
        {**HARD, "b": Node("hardlink", target="c")},
        {"a": HARD["a"], "c": HARD["c"]},
        {"b": Node("file", content=b"1"), "c": HARD["c"]},
    ],
)
def test_changes_of_hard_links_are_not_a_delta(new: Tree) -> None:
    assert difference(state(HARD), state(new)) is None


def test_unchanged_hard_links_do_not_matter() -> None:
    delta = difference(state(HARD), state({**HARD, "c": Node("file", content=b"1")}))
    assert delta is not None
    assert [entry.path for entry in delta.put] == ["c"]

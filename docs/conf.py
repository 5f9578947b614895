"""Sphinx's settings for the documentation: see docs/decisions.md, "The documentation".

Two things are done here that Markdown alone cannot do. The pages of ``project/`` show files that lie at the top of the repository,
where its visitors look for them. And a page that ``index.md`` does not name is listed there under "More", so that
none is ever out of reach.
"""

from __future__ import annotations

import collections.abc
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildr._version import __version__
from buildr.config import Settings
from buildr.engines import container_spec
from buildr.engines import records as engine_records
from buildr.host.cancellation import Cancellation
from buildr.host.signals import Signals
from buildr.options import package as package_module
from buildr.options import runtime as runtime_module
from buildr.plan.entry import Entry
from buildr.plan.project import Project
from buildr.runners import plan as plan_module
from buildr.runners import protocol as runner_module
from buildr.runners.choice import Choices

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
SHOWN = {
    "project/readme": "README.md",
    "project/changelog": "CHANGELOG.md",
    "project/contributing": "CONTRIBUTING.md",
    "project/security": "SECURITY.md",
}
"""Pages, and the files at the top of the repository that they show."""

# What these import for type checkers only is evaluated for the signatures.
names = {name: getattr(collections.abc, name) for name in collections.abc.__all__}
records = (
    Cancellation,
    Choices,
    Entry,
    Project,
    Settings,
    Signals,
    plan_module.RunPlan,
)
names["os"] = os
for module in (engine_records, container_spec):
    vars(module).update({"Port": container_spec.Port} | names | vars(module))
names.update({record.__name__: record for record in records})
for module in (package_module, runtime_module, plan_module, runner_module):
    vars(module).update(names | vars(module))

project = "Buildr"
author = "The Buildr developers"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_use_ivar = True
html_theme = "furo"
html_title = f"Buildr {__version__}"
html_copy_source = False
html_show_sphinx = False

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
_IMAGE = re.compile(r"!\[([^\]]*)\]\((?![a-z]+:)([^)\s]+)\)")
_MORE = "<!-- more -->"


def page(app: Sphinx, name: str, source: list[str]) -> None:
    """Put the text of a file at the top in a page's place, and make the links of either lead to pages."""
    text = (ROOT / SHOWN[name]).read_text() if name in SHOWN else source[0]
    beside = ROOT if name in SHOWN else (DOCS / name).parent
    here = (DOCS / name).parent

    def image(match: re.Match[str]) -> str:
        return f"![{match[1]}]({os.path.relpath(beside / match[2], here)})"

    def link(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(beside / match[2]))
        shown = {ROOT / file: DOCS / f"{own}.md" for own, file in SHOWN.items()}
        target = shown.get(target, target)
        if not target.exists():
            return match[0]  # and Sphinx says that it leads nowhere
        if not target.is_relative_to(DOCS) or target.suffix != ".md":
            return match[1]  # a file of the repository, not a page
        return f"[{match[1]}]({os.path.relpath(target, here)}{match[3] or ''})"

    text = _IMAGE.sub(image, _LINK.sub(link, text))
    if name == "index":
        known = re.findall(r"(?m)^(?:.*<)?([\w/-]+)>?$", text)
        more = sorted(app.env.found_docs - {"index", *known})
        listed = "```{toctree}\n:caption: More\n\n" + "\n".join(more) + "\n```"
        text = text.replace(_MORE, listed if more else "")
    source[0] = text


def epilog(app: Sphinx, context: object, lines: list[str]) -> None:  # noqa: ARG001 - the event's
    """Keep the names of variables that end in an underscore from being references."""
    lines[:] = [line.replace("_", r"\_") for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    """Let Sphinx call what stands above."""
    app.connect("source-read", page)
    app.connect("sphinx-click-process-epilog", epilog)
    return {"parallel_read_safe": True}

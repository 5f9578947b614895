"""One project is the same layers on every engine, from a generated Containerfile and from one of the user's own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import files_of, inspect, site
from tests.engine.test_reproducible import built, write

if TYPE_CHECKING:
    from tests.engine.harness import Engine
    from tests.engine.images import Site

OWN = """\
FROM {base} AS tools
RUN mkdir /made && date +%N > /dev/null && echo made > /made/tool && chmod 0751 /made

FROM {base}
WORKDIR /srv/own
RUN mkdir -p /srv/data/deep && touch /srv/data/deep/one /srv/data/two && rm -f /etc/debian_version
RUN rm -r /srv/data && mkdir /srv/data && echo three > /srv/data/three && ln /srv/data/three /srv/four
COPY --from=tools /made /usr/local/made
COPY . .
RUN python -m pip install --no-cache-dir --break-system-packages --require-hashes -r requirements.txt \\
    && python -m compileall -q . && ln -s module.py link.py && chown -R 1000:0 .
RUN echo a > changed
RUN echo b > changed
USER 1000:0
CMD ["python", "app.py"]
"""


def generated(project: Site) -> None:
    project.script("print('hello')")


def with_everything(project: Site) -> None:
    project.write({"extra.txt": "extra"})
    project.script(
        "print('hello')",
        package={"additional_files": ["extra.txt:/srv/extra.txt:0440"], "user": "root"},
    )


def own(project: Site) -> None:
    project.write({"Dockerfile": OWN.format(base=project.engine.base_image)})
    project.script("print('hello')", package={"dockerfile": "Dockerfile"})


@pytest.mark.parametrize("kind", [generated, with_everything, own])
def test_all_engines_make_the_same_layers(
    docker: Engine, rootless_podman: Engine, root_podman: Engine, kind: object
) -> None:
    assert callable(kind)
    layers, files = [], []
    name = f"t-same-{secrets.token_hex(5)}"
    for engine in (docker, rootless_podman, root_podman):
        for project in site(engine):
            project.name = name  # it is in the script
            write(project)
            kind(project)
            image = built(project, "--no-cache")
            base = inspect(engine, engine.base_image)["RootFS"]["Layers"]
            layers.append(image["RootFS"]["Layers"][len(base) :])
            files.append(files_of(engine, project.reference))
    assert files[0] == files[1] == files[2]
    assert layers[0] == layers[1] == layers[2]
    assert len(layers[0]) > 3

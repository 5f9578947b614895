"""Images over HTTP: the part that is the same on both engines."""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import TYPE_CHECKING

from buildr.engines.records import Event, Image
from buildr.errors import BuildError, EngineError
from buildr.host.limits import DOCUMENT_CHARACTERS
from buildr_backends.http.request import quote, tar_content
from buildr_backends.shared.engine import HttpEngine, label_filter
from buildr_backends.shared.find_image import find_image, read_images, with_algorithm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from buildr.engines.records import BuildRequest, Layer, OnEvent
    from buildr_backends.http.response import Response
    from buildr_backends.shared.append_layer import Stored

_TAG_ATTEMPTS = 5  # each fails only when another process has succeeded meanwhile


class HttpImages(HttpEngine):
    """The shared part of `buildr.engines.images.Images`."""

    def image(self, reference: str) -> Image | None:
        """See `buildr.engines.images.Images.image`."""
        return find_image(self._client, reference)

    def images(self, labels: Mapping[str, str], *, unnamed: bool = False) -> Sequence[Image]:
        """See `buildr.engines.images.Images.images`."""
        query = {"filters": label_filter(labels, {"dangling": ["true"]} if unnamed else {})}
        return self._client.request("GET", "/images/json", query=query).json(read_images)

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """See `buildr.engines.images.Images.pull`."""
        from buildr_backends.http.json_stream import documents
        from buildr_backends.shared import transfer

        try:
            response = self._request_pull(reference)
        except EngineError as error:
            raise transfer.pull_error(reference, error.message) from None
        transfer.follow_pull(reference, documents(response.chunks()), on_event)
        image = self.image(reference)
        if image is None:
            raise transfer.pull_error(reference, "the engine named no reason")
        return image

    @abstractmethod
    def _request_pull(self, reference: str) -> Response:
        """Ask the engine to pull an image; return the answer."""

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.images.Images.build`."""
        if request.secrets.values and self._client.endpoint.plaintext:
            from buildr.engines.plaintext import refuse_plaintext

            refuse_plaintext(self._client.endpoint.url, "the build secrets")
        image = with_algorithm(self._build(request, on_event))
        for tag in request.tags:
            self.tag(image, tag)
        return image

    def _build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """Build an image; return its id."""
        from buildr_backends.shared.build_log import follow_build

        # A pull here would be silent and without the user's credentials; the base image is stored already.
        query = {
            "dockerfile": request.containerfile,
            "labels": json.dumps(dict(request.labels)),
            "rm": "1",
            "forcerm": "1",
            "nocache": "0" if request.cache else "1",
            **self._build_query(request),
        }
        if arguments := self._arguments():
            query["buildargs"] = json.dumps(arguments)
        try:
            response = self._client.request(
                "POST", "/build", query=query, content=tar_content(request.context), seconds=None
            )
        except EngineError as error:
            raise BuildError(f"the engine refused the build: {error.message}") from None
        try:
            return follow_build(response.chunks(), on_event)
        finally:
            response.close()  # a build that is no longer followed must not continue

    def _arguments(self) -> dict[str, str]:
        """Return a build's arguments: proxies, which are predefined and reach no layer and no history."""
        info = self._info
        from buildr.engines.plaintext import refuse_plaintext
        from buildr.host.proxies import build_proxies

        proxies = build_proxies(info.proxies, info.endpoint, remote=info.remote)
        if info.plaintext and any("@" in proxy for proxy in proxies.values()):
            refuse_plaintext(info.endpoint, "the password of a proxy")
        return proxies

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
        """See `buildr.engines.images.Images.append`."""
        from buildr_backends.shared.append_layer import archive

        made: list[str] = []

        def note(new: str) -> None:
            made.append(new)
            on_event(Event(kind="image", text=new))

        said = self._load(archive(self._stored(image), layer, note))
        if not made or made[0] not in said:
            raise EngineError("the engine does not accept a layer alone", message=said)
        return with_algorithm(*made)

    def tag(self, image: str, reference: str) -> None:
        """See `buildr.engines.images.Images.tag`."""
        head, slash, name = reference.rpartition("/")  # a colon before it belongs to a port
        repository, _, tag = name.partition(":")
        query = {"repo": f"{head}{slash}{repository}", "tag": tag or "latest"}
        for last in (*[False] * (_TAG_ATTEMPTS - 1), True):
            try:
                self._client.request("POST", f"/images/{quote(image)}/tag", query=query).read()
            except EngineError as error:
                # Docker with containerd's store deletes the old name first, and another process may have made it since.
                if last or "AlreadyExists" not in error.message:
                    raise
            else:
                return

    def remove_image(self, image: str) -> None:
        """See `buildr.engines.images.Images.remove_image`."""
        # Never by force: that would take Podman's containers of the image away with it.
        try:
            self._client.request("DELETE", f"/images/{quote(image)}", ok=(200, 404)).read()
        except EngineError:
            names = self._names_in_the_way(image)
            if not names:
                raise
            for name in names:
                self._client.request("DELETE", f"/images/{quote(name)}", ok=(200, 404)).read()

    def _names_in_the_way(self, image: str) -> tuple[str, ...]:
        """Return the names of an image if nothing else keeps it: no engine removes an image with several names by its id."""
        if not image.startswith("sha256:"):
            return ()
        found = self.image(image)
        if found is None or len(found.tags) < 2:
            return ()
        # An image that is used would lose all its names but one.
        query = {"all": "true", "filters": json.dumps({"ancestor": [image]})}
        used = self._client.request("GET", "/containers/json", query=query).json(len)
        return () if used else found.tags

    def save(self, image: str) -> Iterator[bytes]:
        """See `buildr.engines.images.Images.save`."""
        path = f"/images/{quote(image)}/get"
        return self._client.request("GET", path, query=self._save_query(), seconds=None).chunks()

    def load(self, archive: Iterable[bytes], reference: str) -> Image:
        """See `buildr.engines.images.Images.load`."""
        said = self._load(archive)
        image = self.image(reference)
        if image is None or reference not in said:
            raise EngineError(
                f"the engine does not accept the archive of {reference}", message=said
            )
        return image

    def _load(self, archive: Iterable[bytes]) -> str:
        """Send an archive; return the engine's answer: what it has stored, or why it has not."""
        from buildr_backends.http.json_stream import documents

        response = self._client.request(
            "POST", "/images/load", query={"quiet": "1"}, content=tar_content(archive), seconds=None
        )
        said = ""
        for document in documents(response.chunks()):
            said += json.dumps(document)
            if len(said) > DOCUMENT_CHARACTERS:
                response.close()
                break
        return said

    def _login(self, reference: str, *, podman: bool) -> dict[str, str]:
        """Return the header that carries the user's login for a registry; empty without one.

        Raises:
            OptionError: there is one, and it would travel in clear.
        """
        from buildr_backends.shared import credentials

        found = credentials.authorization(reference, podman=podman)
        if found and self._client.endpoint.plaintext:
            from buildr.engines.plaintext import refuse_plaintext

            refuse_plaintext(
                self._client.endpoint.url, f"the login for {reference.partition('/')[0]}"
            )
        return found

    # What differs ---------------------------------------------------------------------------------

    @abstractmethod
    def _build_query(self, request: BuildRequest) -> dict[str, str]:
        """Return the parameters of a build that only this engine knows."""

    @abstractmethod
    def _stored(self, image: str) -> Stored:
        """Return the parts that an image on top of this one takes over."""

    @abstractmethod
    def _save_query(self) -> dict[str, str]:
        """Return the parameters of an archive in the format of ``docker save``."""

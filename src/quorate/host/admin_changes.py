"""The endpoints that change a host: settings, host key, activation, the publisher's papers, DNS publication.

Each is a method of `Administration`, done in a thread, on record under the caller's name. Bodies are small JSON
objects; unknown members are refused, as a typing mistake must not look like success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from quorate.core.armor import TEXT_BYTES_MAX, armored, dearmored
from quorate.core.documents import HOST_CERTIFICATE, HostCertificate
from quorate.core.revocation import REVOCATIONS
from quorate.errors import MalformedRequestError, PublisherUnknownError, SetOnMachineOnlyError
from quorate.host.admin_http import BODY_BYTES_MAX, body_of, decoded, json_answer
from quorate.host.administration import Administration
from quorate.host.audit import Actor
from quorate.host.config import shown_value
from quorate.host.gate import Caller
from quorate.host.nearby import leads_here
from quorate.host.publication.check import Hello, check_publication
from quorate.host.publication.locate import Names
from quorate.host.publication.publisher import DnsPublisher
from quorate.host.publication.settings import PublicationSettings
from quorate.host.publication.state import DomainState
from quorate.host.publisher_link import PublisherAddress, host_in
from quorate.host.update import FILES_MAX

__all__ = [
    "ActivateBody",
    "Activated",
    "AdminChanges",
    "CheckResults",
    "DnsFinding",
    "InstallKeyBody",
    "InstalledKey",
    "MadeRequest",
    "Publication",
    "PublicationResults",
    "Removed",
    "UpdateBody",
    "UpdateFile",
    "UpdateTaken",
]

UPDATE_BYTES_MAX = REVOCATIONS.bytes_max + 1024 * 1024  # the longest of these files, and all others beside it


class _Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class InstallKeyBody(_Shape, frozen=True, kw_only=True):
    """The host key, five groups of five."""

    product_key: Annotated[str, Meta(max_length=100)]


class InstalledKey(_Shape, frozen=True, kw_only=True):
    """What may be shown of it."""

    product_key_last_five: str


class MadeRequest(_Shape, frozen=True, kw_only=True):
    """A request for the publisher: as a file has it, and as text for a mail."""

    request: str
    text: str


class ActivateBody(_Shape, frozen=True, kw_only=True):
    """The publisher's confirmation, a file's content or the text of a mail; or where the publisher is asked online.
    Neither: where the setting publisher-url says."""

    confirmation: Annotated[str, Meta(max_length=TEXT_BYTES_MAX)] | None = None
    publisher_url: Annotated[str, Meta(max_length=1000)] | None = None


class Activated(_Shape, frozen=True, kw_only=True):
    """What the certificate says."""

    activated: bool
    customer: str
    product_groups: tuple[str, ...]
    certificate_expires_s: int


class Removed(_Shape, frozen=True, kw_only=True):
    """Whether there was something to remove."""

    removed: bool


class UpdateFile(_Shape, frozen=True, kw_only=True):
    """One file that the publisher sent; its name is for messages."""

    name: Annotated[str, Meta(max_length=200)]
    text: str


class UpdateBody(_Shape, frozen=True, kw_only=True):
    """The files, in any order; none: the publisher is asked online."""

    files: Annotated[tuple[UpdateFile, ...], Meta(max_length=FILES_MAX)] = ()


class UpdateTaken(_Shape, frozen=True, kw_only=True):
    """What was new, as `quorate host update --json` has it."""

    keys_version: int | None
    revocations: int | None
    products: tuple[str, ...]
    certificate: str | None
    activated: bool
    code: str | None


class PublicationResults(_Shape, frozen=True, kw_only=True):
    """One result for each record and domain."""

    results: tuple[DomainState, ...]


class DnsFinding(_Shape, frozen=True, kw_only=True):
    """One thing that was looked at; `level` is `ok`, `warn` or `fail`."""

    level: str
    code: str
    name: str
    message: str
    fix: str


class CheckResults(_Shape, frozen=True, kw_only=True):
    """Everything that was looked at."""

    findings: tuple[DnsFinding, ...]


class Publication:
    """How DNS publication is reached.

    Args:
        opened: what is to be published now, and who does it.
    """

    def __init__(
        self, opened: Callable[[], tuple[PublicationSettings, DnsPublisher]], names: Names, hello: Hello
    ) -> None:
        self.opened = opened
        self.names = names
        self.hello = hello


class AdminChanges:
    """The endpoints; each is given who asks."""

    def __init__(self, administration: Administration, publication: Publication) -> None:
        self._administration = administration
        self._publication = publication

    async def settings(self, request: Request, caller: Caller) -> Response:
        """`{"renewal-interval": 20160}`; null means back to the default."""
        wanted = decoded(await body_of(request), dict[str, bool | int | str | None])
        texts = {name: None if value is None else str(shown_value(value)) for name, value in wanted.items()}
        return json_answer(await run_in_threadpool(self._administration.set_settings, texts, caller.actor))

    async def install_key(self, request: Request, caller: Caller) -> Response:
        typed = decoded(await body_of(request), InstallKeyBody).product_key
        key = await run_in_threadpool(self._administration.install_key, typed, caller.actor)
        return json_answer(InstalledKey(product_key_last_five=key.last_five))

    async def forget_key(self, request: Request, caller: Caller) -> Response:
        removed = await run_in_threadpool(self._administration.remove_key_text, caller.actor)
        return json_answer(Removed(removed=removed))

    async def uninstall(self, request: Request, caller: Caller) -> Response:
        await run_in_threadpool(self._administration.uninstall_key, caller.actor)
        return json_answer(Removed(removed=True))

    async def request(self, request: Request, caller: Caller) -> Response:
        token = await run_in_threadpool(self._administration.request, caller.actor)
        return json_answer(MadeRequest(request=token, text=armored(token)))

    async def activate(self, request: Request, caller: Caller) -> Response:
        wanted = decoded(await body_of(request, BODY_BYTES_MAX + TEXT_BYTES_MAX), ActivateBody)
        if wanted.confirmation is not None and wanted.publisher_url is not None:
            raise MalformedRequestError(reason="confirmation or publisher_url, not both")
        if wanted.confirmation is not None:
            certificate = await run_in_threadpool(self._confirmed, wanted.confirmation, caller.actor)
        else:
            certificate = await run_in_threadpool(self._online, wanted.publisher_url, caller.actor)
        return json_answer(
            Activated(
                activated=True,
                customer=certificate.customer,
                product_groups=certificate.groups,
                certificate_expires_s=certificate.expires_s,
            )
        )

    async def update(self, request: Request, caller: Caller) -> Response:
        files = decoded(await body_of(request, UPDATE_BYTES_MAX), UpdateBody).files
        return json_answer(await run_in_threadpool(self._taken, files, caller.actor))

    async def publish(self, request: Request, caller: Caller) -> Response:
        return json_answer(await run_in_threadpool(self._published, "publish", caller.actor))

    async def withdraw(self, request: Request, caller: Caller) -> Response:
        return json_answer(await run_in_threadpool(self._published, "withdraw", caller.actor))

    async def check(self, request: Request, caller: Caller) -> Response:
        return json_answer(await run_in_threadpool(self._checked))

    # --- in threads --------------------------------------------------------------------------------------------

    def _confirmed(self, text: str, by: Actor) -> HostCertificate:
        with self._administration.trying(by, "activate", "confirmation"):
            token = dearmored(text, HOST_CERTIFICATE)
        return self._administration.activate(token, by)

    def _online(self, url: str | None, by: Actor) -> HostCertificate:
        with self._administration.trying(by, "activate", "online"):
            known = self._administration.publisher_address()
            if url is not None and (known is None or known.url != url) and leads_here(host_in(url)):
                command = "quorate host activate --publisher-url URL"
                reason = "it leads to the host's own machine"
                raise SetOnMachineOnlyError(name="publisher_url", reason=reason, command=command)
            if url is not None and known is not None:
                known = replace(known, url=url)
            elif url is not None:
                known = PublisherAddress(url)
            if known is None:
                raise PublisherUnknownError
        return self._administration.activate_online(known, by)

    def _taken(self, files: tuple[UpdateFile, ...], by: Actor) -> UpdateTaken:
        products: tuple[str, ...] = ()
        if files:
            taken = self._administration.update([(each.name, each.text) for each in files], by)
            version, number, serial, products = taken.version, taken.number, taken.certificate, taken.products
        else:
            found = self._administration.refresh(by)
            if found is None:
                raise PublisherUnknownError
            version, number = found.version, found.number
            serial = None if found.certificate is None else found.certificate.serial
        status = self._administration.status()
        return UpdateTaken(
            keys_version=version,
            revocations=number,
            products=products,
            certificate=serial,
            activated=status.activated,
            code=status.code,
        )

    def _published(self, action: str, by: Actor) -> PublicationResults:
        with self._administration.trying(by, f"dns-{action}", "DNS"):
            _, publisher = self._publication.opened()
            results = publisher.publish() if action == "publish" else publisher.withdraw()
        self._administration.note_publication(action, results, by)
        return PublicationResults(results=tuple(map(DomainState.of, results)))

    def _checked(self) -> CheckResults:
        settings, _ = self._publication.opened()
        host_id = self._administration.keyring.host_id
        found = check_publication(settings, self._publication.names, self._publication.hello, host_id)
        return CheckResults(
            findings=tuple(
                DnsFinding(level=each.level, code=each.code, name=each.name, message=each.message, fix=each.fix)
                for each in found
            )
        )

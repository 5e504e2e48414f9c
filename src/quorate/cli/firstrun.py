"""`quorate` alone: where this machine stands, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from quorate.cli.roles import Here, look_here

__all__ = ["first_lines"]

_FILES = "--product FILE.product --trust publisher.jwks"


def first_lines(environ: Mapping[str, str]) -> Iterator[str]:
    """What this machine is, one line for each role, each with its next command."""
    here = look_here(None, environ)
    yield from _standing(here)
    yield ""


def _standing(here: Here) -> Iterator[str]:
    if here.is_publisher:
        yield f"This machine is a publisher ({here.publisher_folder})."
        yield from _next("quorate publisher list", "what was given away")
    if here.is_host:
        yield f"This machine is a KMS host ({here.host_folder})."
        yield from _host_next(here)
    if here.is_client:
        names = ", ".join(each.product.name for each in here.products.values())
        yield f"This machine is a KMS client for {names}."
        yield from _next("quorate client status", "where it stands")
        yield from _next("quorate doctor", "why it is not activated")
    if here.denied is not None:
        yield f"There is state in {here.denied} that you may not see; `sudo quorate` shows what it is."
    elif not (here.is_publisher or here.is_host or here.is_client):
        yield "This machine has no role yet: it is no publisher, KMS host or KMS client."
        yield from _next("quorate demo", "see it all at work in a minute, nothing is kept")
        yield from _next(f"quorate client init {_FILES}", "be a client: software is activated here")
        yield from _next(f"quorate host init {_FILES}", "be the KMS host of this network")
        yield from _next(
            'quorate publisher init --name "Acme Software"', "be a publisher: license software of your own"
        )


def _host_next(here: Here) -> Iterator[str]:
    """The next step on the road to an activated host, by the files that are there."""
    paths = here.host_paths
    if paths.certificate.exists():
        yield from _next("quorate host status", "counts, settings, requests")
        yield from _next("quorate doctor", "why nobody is activated")
    elif any(paths.requests.glob("*.req")):
        yield from _next("quorate host activate --confirmation FILE.cert", "install what the publisher sent back")
    elif paths.product_key.exists():
        yield from _next("quorate host request -o FILE.req", "write the request for the publisher")
    else:
        yield from _next("quorate host install-key XXXXX-XXXXX-XXXXX-XXXXX-XXXXX", "install the host key")


def _next(command: str, why: str) -> Iterator[str]:
    yield f"  {why}:"
    yield f"      {command}"

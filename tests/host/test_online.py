"""Online: a host and its publisher's real service; what is asked, what comes of it, and each way it can fail."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from quorate.core.policy import DAY_S
from quorate.errors import (
    HostKeyMissingError,
    HostKeyUsedUpError,
    InvalidSettingError,
    ProductKeyBlockedError,
    PublisherUnreachableError,
    RateLimitedError,
    WrongConfirmationError,
)
from quorate.host.administration import Administration
from quorate.host.config import StatePaths
from quorate.host.publisher_link import PublisherAddress, PublisherLink, checked_url
from quorate.publisher.blocklist import Kind
from quorate.publisher.rotation import Step
from tests.host.publishing import Site, new_site, serving
from tests.support.clocks import ManualClock, SeededEntropy
from tests.support.documents import World
from tests.support.hosting import BOUND_S, Hosted, running
from tests.support.waiting import PATIENCE_S


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return new_site(tmp_path, ManualClock())


def settled(host: Hosted, is_so: Callable[[], bool]) -> None:
    """Wait until the host's own thread has done it: each change it makes is noticed by the host."""
    for _ in range(200):
        if is_so():
            return
        host.changed.wait(BOUND_S / 200)
        host.changed.clear()
    raise AssertionError("the host did not get there")


def test_s01_a_host_activates_online_and_remembers_where(site: Site) -> None:
    with serving(site) as url, site.host() as host:
        assert host.activate_online(PublisherAddress(url)).customer == "Contoso"
        status = host.status()
        assert (status.activated, status.publisher_url) == (True, url)
        assert host.publisher_address() == PublisherAddress(url)


def test_activating_again_keeps_the_identity_and_uses_no_second_host(site: Site) -> None:
    with serving(site) as url, site.host() as host:
        first = host.activate_online(PublisherAddress(url))
        second = host.activate_online(PublisherAddress(url))
        assert (first.host_id, first.jwk) == (second.host_id, second.jwk)
        [entry] = site.publisher.ledger.hosts()
        assert entry.host_id == host.keyring.host_id


def test_keys_and_list_come_with_the_certificate(site: Site) -> None:
    site.rotate()
    site.publisher.revoke(Kind.HOST_KEY, site.publisher.issue_host_key("Fabrikam", ["acme"]).key_id, "unpaid")
    with serving(site) as url, site.host() as host:
        host.activate_online(PublisherAddress(url))
        assert (host.status().keys_version, host.status().revocations) == (2, 1)


def test_a_request_whose_answer_was_lost_is_sent_again_and_uses_nothing_up(site: Site) -> None:
    with serving(site) as url, site.host() as host:
        request = host.keyring.request_to_send("kms")
        PublisherLink(PublisherAddress(url), site.clock).activate(request)  # the answer is lost
        certificate = host.activate_online(PublisherAddress(url))
        assert host.keyring.answered_request() == request
        assert site.publisher.ledger.hosts()[0].activations == 1, certificate


def test_another_host_key_makes_another_request(site: Site) -> None:
    with site.host() as host:
        request = host.keyring.request_to_send("kms")
        assert host.keyring.request_to_send("kms") == request
        host.install_key(site.publisher.issue_host_key("Contoso", ["acme"]).text)
        assert host.keyring.request_to_send("kms") != request


def test_every_no_of_the_publisher_is_its_own_error(tmp_path: Path) -> None:
    site = new_site(tmp_path, ManualClock(), hosts=1, activations=1)
    with serving(site, per_minute=6) as url, site.host() as host:
        address = PublisherAddress(url)
        host.activate_online(address)
        with pytest.raises(HostKeyUsedUpError) as used_up:
            host.activate_online(address)
        assert "used up" in used_up.value.message
        site.publisher.revoke(Kind.HOST_KEY, site.product_key.key_id, "leaked")
        with pytest.raises(ProductKeyBlockedError, match="leaked"):
            host.activate_online(address)
        host.refresh()
        with pytest.raises(RateLimitedError):
            host.refresh()
        assert host.status().code == "HOST_REVOKED"


def test_nobody_there_and_somebody_else_are_told_apart_from_a_no(site: Site, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with site.host() as host:
        with pytest.raises(PublisherUnreachableError, match="connection refused"):
            host.activate_online(PublisherAddress(f"http://127.0.0.1:{port}"))
        with pytest.raises(PublisherUnreachableError, match="does not resolve"):
            host.activate_online(PublisherAddress("http://nobody.invalid", insecure_http=True))
        assert not host.status().activated
        assert host.publisher_address() is None
        site.confirm(host)
    with (
        running(site.state_dir, World(), site.clock) as other,
        site.host() as host,
        pytest.raises(PublisherUnreachableError, match="no activation service"),
    ):
        host.activate_online(PublisherAddress(other.base_url))


def test_without_a_host_key_nobody_is_asked(site: Site) -> None:
    site.state_dir.joinpath("product.key").unlink()
    with site.host() as host, pytest.raises(HostKeyMissingError):
        host.activate_online(PublisherAddress("http://127.0.0.1:9"))


def test_tls_is_verified_and_an_authority_of_ones_own_can_be_named(site: Site, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )  # fmt: skip
    key.chmod(0o600)
    with serving(site, tls_cert=cert, tls_key=key) as url, site.host() as host:
        assert url.startswith("https://")
        with pytest.raises(PublisherUnreachableError, match=r"TLS: .*certificate"):
            host.activate_online(PublisherAddress(url))
        assert host.activate_online(PublisherAddress(url, cert)).customer == "Contoso"


def test_plain_http_to_another_machine_must_be_meant(site: Site) -> None:
    with site.host() as host:
        with pytest.raises(InvalidSettingError, match="without TLS"):
            host.set_settings({"publisher-url": "http://activation.acme.example"})
        host.set_settings({"publisher-url": "http://activation.acme.example", "publisher-insecure-http": "on"})
        host.set_settings({"publisher-insecure-http": None, "publisher-url": "http://127.0.0.1:1690/"})
        assert host.shown_settings()["publisher-url"] == "http://127.0.0.1:1690"


@pytest.mark.parametrize(
    "text", ["acme.example", "ftp://acme.example", "https://", "https://a@b.example", "https://b/?q=1"]
)
def test_what_is_no_address_of_a_publisher_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it "):
        checked_url(text)


def test_a_running_host_renews_sixty_days_before_the_end(site: Site) -> None:
    with serving(site) as url:
        with site.host() as host:
            first = host.activate_online(PublisherAddress(url))
        site.clock.advance(730 * DAY_S - 61 * DAY_S)
        with running(site.state_dir, World(), site.clock) as hosted:
            administration = hosted.administration
            settled(hosted, lambda: not administration.events(event_id=12311))
            assert administration.status().certificate_serial == first.serial
            site.clock.advance(2 * DAY_S)
            settled(hosted, lambda: administration.status().certificate_serial != first.serial)
            assert "certificate" not in (administration.status().notice or "")
            assert administration.keyring.host_id == first.host_id
            settled(hosted, lambda: bool(administration.events(event_id=12310)))


def test_a_running_host_takes_keys_list_and_certificate_every_day(site: Site) -> None:
    with serving(site) as url:
        with site.host() as host:
            host.activate_online(PublisherAddress(url))
        with running(site.state_dir, World(), site.clock) as hosted:
            site.rotate(Step.REPLACE)
            site.clock.advance(DAY_S)
            settled(hosted, lambda: hosted.administration.status().keys_version == 2)
            settled(hosted, lambda: hosted.administration.status().activated)
            world = World()
            settled(hosted, lambda: hosted.post(world.request(1, time_s=site.clock.now_s())).status == 200)
            site.publisher.revoke(Kind.HOST, hosted.administration.keyring.host_id, "sold")
            site.clock.advance(DAY_S)
            settled(hosted, lambda: hosted.post(world.request(2, time_s=site.clock.now_s())).status == 403)
        assert site.publisher.ledger.hosts()[0].activations == 1


def test_a_host_that_is_not_online_is_warned_sixty_days_ahead_and_stays_ready(site: Site) -> None:
    with site.host() as host:
        site.confirm(host)
        site.clock.advance(730 * DAY_S - 60 * DAY_S)
    with running(site.state_dir, World(), site.clock) as hosted:
        settled(hosted, lambda: bool(hosted.administration.events(event_id=12311)))
        [event] = hosted.administration.events(event_id=12311)
        assert (event["code"], "in 60 days" in event["message"]) == ("HOST_CERTIFICATE_ENDING", True)
        ready = hosted.http("GET", "/readyz", port=hosted.admin_port)
        assert ready.status == 200
        failed = [each["name"] for each in ready.json["checks"] if not each["ok"]]
        assert failed == ["certificate", "clock"], "after two years off the clock is not confirmed yet, either"
        status = hosted.administration.status()
        assert status.activated
        assert status.notice is not None
        site.clock.advance(60 * DAY_S)
        settled(hosted, lambda: hosted.http("GET", "/readyz", port=hosted.admin_port).status == 503)


def test_a_publisher_that_is_away_is_told_once_and_asked_again(site: Site) -> None:
    with serving(site) as url, site.host() as host:
        host.activate_online(PublisherAddress(url))
    with running(site.state_dir, World(), site.clock) as hosted:
        settled(hosted, lambda: bool(hosted.administration.events(event_id=12311)))
        [event] = hosted.administration.events(event_id=12311)
        assert event["code"] == "PUBLISHER_UNREACHABLE"
        assert hosted.administration.status().activated


def test_an_answer_for_another_host_is_refused(site: Site) -> None:
    with site.host() as host:
        confirmation = site.publisher.confirm(host.request())
        other = StatePaths(site.folder / "other")
        with (
            Administration.init(other, site.product_token, site.shipped, site.clock, SeededEntropy(9)) as stranger,
            pytest.raises(WrongConfirmationError),
        ):
            stranger.activate(confirmation)

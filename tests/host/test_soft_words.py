"""What an administrator is shown of a soft threshold: status, slmgr, forecast and doctor, before and after the fall."""

from __future__ import annotations

from pathlib import Path

import msgspec

from quorate.cli.host.forecast import forecast_lines
from quorate.cli.host.status import status_lines
from quorate.cli.slmgr.display import HostFacts, host_lines
from quorate.core.checkup import Level
from quorate.core.policy import DAY_S
from tests.client.parties import NOWHERE
from tests.client.test_soft import alone, two
from tests.doctor.patient import Patient, one
from tests.support.hosting import Hosted, hosting


def line(host: Hosted, beginning: str) -> str:
    """The one line of `quorate host status` about it."""
    [found] = [each for each in status_lines(host.administration.status()) if each.strip().startswith(beginning)]
    return found.strip()


def test_status_slmgr_and_forecast_tell_who_still_renews(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        host.activate(1)
        assert "1 more machine needed; activated ones are renewed for 20 days from their last time at 2" in line(
            host, "acme client"
        )
        host.activate(2)
        assert "soft" not in line(host, "acme client")
        assert "; activated" not in line(host, "acme client")
        host.clock.advance(29 * DAY_S)
        host.activate(1)
        [warned] = [each for each in host.administration.forecast().thresholds if each.machine_class == "client"]
        assert (warned.soft_minimum, warned.soft_lasts_s) == (1, 20 * DAY_S)
        warning = host.administration.forecast().warning or ""
        assert "falls below 2" in warning
        assert "activated machines go on renewing down to 1, for 20 days after their last renewal at 2" in warning
        told = [each.strip() for each in forecast_lines(host.administration.forecast())]
        assert any(each.startswith("soft threshold: ") for each in told)
        facts = msgspec.convert(msgspec.to_builtins(host.administration.status()), HostFacts)
        shown = list(host_lines(facts, facts.products, is_long=True))
        assert "        acme, client: 2 of 2 (activated machines renew down to 1)" in shown


def test_the_console_tells_it_once_the_count_has_fallen(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        host.activate(1)
        page = host.http("GET", f"/?token={host.token}", port=host.admin_port)
        cookie = page.headers["set-cookie"].split(";")[0]
        text = " ".join(host.http("GET", "/", headers={"cookie": cookie}, port=host.admin_port).body.decode().split())
        assert "Machines that are activated already go on renewing while at least 1 are counted" in text


def test_doctor_warns_of_the_count_and_of_a_lease_below_the_threshold(tmp_path: Path) -> None:
    with hosting(tmp_path, two()) as host:
        here, client = alone(tmp_path, host)
        patient = Patient(here, network=NOWHERE)
        assert one(patient.checks(), "lease").level is Level.OK  # the lease at hand is a full one ...
        count = one(patient.checks(), "count")
        assert (count.level, count.code) == (Level.WARN, "COUNT_BELOW_THRESHOLD")  # ... and the next one will not be
        assert count.seen == "1 of 2: this machine would be renewed all the same (soft threshold), a new one refused"
        client.activate()
        lease = one(patient.checks(), "lease")
        assert (lease.level, lease.code) == (Level.WARN, "COUNT_BELOW_THRESHOLD")
        assert "only 1 of 2" in lease.seen

"""The SDK: what an application says to be licensed.

client = Client(product="acme-cad.product", trust="publisher.jwks")
status = client.status()            # offline, no network, < 1 ms
if not status.usable:
    print(status.message, status.hint)
client.start()                      # renews in the background
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from quorate.client.agent import Agent
from quorate.client.config import Settings
from quorate.client.discovery.domains import parse_domain
from quorate.client.discovery.mdns import check_installed
from quorate.client.discovery.network import Network
from quorate.client.discovery.search import Finder
from quorate.client.discovery.survey import Discovery, survey
from quorate.client.discovery.target import Target
from quorate.client.driver import PATIENCE_S, Driver
from quorate.client.enrolment import ClientEnrolment
from quorate.client.eventlog import ClientEventLog
from quorate.client.identity import Machine
from quorate.client.installed import load_anchor
from quorate.client.keeper import Keeper
from quorate.client.leasefile import LeaseFile
from quorate.client.standing import Status
from quorate.client.state import ClientState
from quorate.client.transport import Transport, TransportSettings
from quorate.client.watch import ON_THE_WAY, NetworkWatch
from quorate.clock import Clock, Entropy, SystemClock, SystemEntropy
from quorate.core.documents import ProductFile
from quorate.core.enrolment import EnrolmentSecret
from quorate.core.messages import LicenseStatus
from quorate.core.trust import check_certificate
from quorate.errors import FileAccessError, StateInUseError, UninstalledError

__all__ = ["Client"]

_log = logging.getLogger("quorate.client")


class Client:
    """One product on this machine.

    Args:
        product: path of the product file that ships with the software.
        trust: path of the publisher's `publisher.jwks`.
        edition: which edition this is; default: the one this machine was set up with, else the first in the file.
        state_dir: folder of all products' state; default: `QUORATE_STATE_DIR`, else where the platform has it.
        config: the configuration file; default: `QUORATE_CONFIG`, else the platform's `client.toml`, if it is there.
            A mistake in it is logged, and the rest of it used.
        clock, entropy, machine, transport, network: this machine's own unless given (tests, simulations).

    Several objects and processes may share one state: attempts are made by one of them at a time.

    Raises:
        FileAccessError: a file cannot be read.
        MalformedError, UnknownPublisherError, BadSignatureError: the product file is not this publisher's.
        NotKnownError: the product has no such edition.
        InvalidSettingError: an environment variable has a value it cannot have.
    """

    def __init__(
        self,
        product: str | Path,
        trust: str | Path,
        *,
        edition: str | None = None,
        state_dir: str | Path | None = None,
        config: str | Path | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        machine: Machine | None = None,
        transport: TransportSettings | None = None,
        network: Network | None = None,
    ) -> None:
        settings = Settings.from_environment(
            config=None if config is None else Path(config), folder=None if state_dir is None else Path(state_dir)
        )
        if settings.fault is not None:
            _log.warning("%s: left out. %s", settings.fault.message, settings.fault.hint)
        self._anchor = load_anchor(Path(product), Path(trust))
        if edition is not None:
            self._anchor.edition(edition)
        self._clock = clock or SystemClock()
        self._entropy = entropy or SystemEntropy()
        product_id = self._anchor.product.product
        file = LeaseFile((Path(state_dir) if state_dir is not None else settings.root(product_id)) / product_id)
        self._enrolment = ClientEnrolment(file.folder, settings.enrolment_file)
        here = machine or Machine.here()
        self._keeper = Keeper(file, self._anchor, edition, here, self._clock, self._entropy)
        self._transport = Transport(transport or settings.transport)
        self._network = network or settings.network
        self._events = ClientEventLog(file.events_path)
        self._driver = Driver(
            self._keeper,
            self._anchor,
            self._transport,
            here,
            self._events,
            self._clock,
            self._entropy,
            network=self._network,
            enrolment=self._enrolment,
        )
        self._agent = Agent(
            self.renew_if_due,
            self._clock,
            again=self._attempt_at_start,
            found_nobody=self._found_nobody,
            watch=NetworkWatch(self._clock, self._entropy),
        )
        self._background: tuple[threading.Thread, threading.Event] | None = None

    @property
    def product(self) -> ProductFile:
        """What the product file says."""
        return self._anchor.product

    def status(self) -> Status:
        """Where this machine stands: offline, without waiting, under a millisecond after the first call.

        Never raises for the network, nor for what is in the state's files or for a disk that cannot be written.
        """
        now_s = self._clock.now_s()
        return self._keeper.standing(now_s).status(now_s, self._anchor)

    def activate(self) -> Status:
        """Ask a KMS host now: at most 15 s for each that is tried, about a minute in all; as long again while another
        process asks.

        Raises:
            RefusedError and its kind: the host said no. The state is unchanged, and asking has counted.
            QuorateError: no answer, or none to be believed; `code` says which.
            FileAccessError: the state cannot be written; a lease that was given is used by this process all the same.
        """
        error = self._driver.attempt_now()
        if error is not None:
            raise error
        return self.status()

    def renew_if_due(self) -> Status:
        """Ask the KMS host if it is time to, and tell the status after it; for an own scheduler.

        Never raises for the network: why an attempt failed is in the status.
        """
        # Another process does it at this moment, or another user's agent keeps the record: nothing of ours to do.
        with contextlib.suppress(StateInUseError, FileAccessError):
            self._driver.attempt_if_due()
        return self.status()

    def start(self) -> None:
        """Renew in the background, in a thread that does not keep the program from ending. Once is enough."""
        if self._background is not None and self._background[0].is_alive():
            return
        stop = threading.Event()
        thread = threading.Thread(target=self._agent.run, args=(stop,), name="quorate-client", daemon=True)
        self._background = thread, stop
        thread.start()

    def stop(self) -> None:
        """End what `start` began; an attempt under way is finished first (about a minute at the most)."""
        if self._background is not None:
            thread, stop = self._background
            stop.set()
            thread.join(timeout=PATIENCE_S)
            self._background = None

    def run(
        self,
        stop: threading.Event,
        tell: Callable[[Status], None] | None = None,
        beat: Callable[[], None] | None = None,
    ) -> None:
        """Be the agent: an attempt at once, then whenever it is due, until `stop` is set.

        `tell` is called with the status after every attempt, `beat` each time round, at least once a minute or two.
        """
        self._agent.run(stop, begin=self._attempt_at_start, tell=tell, beat=beat)

    def rearm(self) -> Status:
        """Take a new CMID and begin the initial grace anew; allowed as often as the publisher says.

        Raises:
            RearmLimitReachedError: that often it was done.
            UninstalledError: there is nothing to begin anew.
            FileAccessError, StateInUseError: nothing was changed.
        """
        now_s, policy = self._clock.now_s(), self._anchor.product.policy
        with self._keeper.exclusive(PATIENCE_S):
            state = self._keeper.standing(now_s, is_locked=True).state
            if state.is_uninstalled:
                raise UninstalledError(product=self._anchor.product.name)
            self._keeper.keep(state.rearmed(now_s, self._entropy, policy), None)
        return self.status()

    def accept_clock(self) -> Status:
        """Take this machine's clock for right, though a later time is known here: the way back from CLOCK_TURNED_BACK
        where no KMS host can be reached. A lease stays, and runs by this clock; a grace begins anew. Uses one rearm;
        nothing happens, and none is used, where the clock is not turned back.

        Raises:
            RearmLimitReachedError: rearms were used as often as the publisher allows.
            UninstalledError: there is nothing that could be used.
            FileAccessError, StateInUseError: nothing was changed.
        """
        now_s, policy = self._clock.now_s(), self._anchor.product.policy
        with self._keeper.exclusive(PATIENCE_S):
            standing = self._keeper.standing(now_s, is_locked=True)
            if standing.state.is_uninstalled:
                raise UninstalledError(product=self._anchor.product.name)
            if standing.is_turned_back(now_s, policy):
                state = standing.state.clock_accepted(now_s, policy)
                self._keeper.keep(state, standing.lease)
                self._keeper.believe(now_s)
                rearms_left = policy.rearm_limit - state.life.rearms
                self._events.clock_accepted(now_s, standing.known_s, state.cmid, rearms_left)
        return self.status()

    def uninstall(self) -> Status:
        """Be Unlicensed from now on: the lease is dropped and nobody is asked, until `install_again`.

        Raises:
            FileAccessError, StateInUseError: nothing was changed.
        """
        now_s, policy = self._clock.now_s(), self._anchor.product.policy
        with self._keeper.exclusive(PATIENCE_S):
            state = self._keeper.standing(now_s, is_locked=True).state
            self._keeper.keep(state.uninstalled(now_s, policy), None)
        return self.status()

    def install_again(self) -> Status:
        """Take `uninstall` back, with the same CMID; nothing happens where it was not uninstalled. The initial grace
        begins anew, which counts as a rearm; beyond the limit there is no grace left.

        Raises:
            FileAccessError, StateInUseError: nothing was changed.
        """
        policy = self._anchor.product.policy
        if self.status().status is LicenseStatus.UNLICENSED:
            return self._change(lambda state, now_s: state.installed_again(now_s, policy))
        return self.status()

    def set_host(self, host: str) -> Status:
        """Ask this KMS host from now on, and no other: `NAME[:PORT]`, IPv6 addresses in brackets.

        Raises:
            InvalidSettingError: that is no name of a host.
            FileAccessError, StateInUseError: nothing was changed.
        """
        target = Target.parse(host)
        return self._change(lambda state, now_s: state.with_host(target, now_s))

    def clear_host(self) -> Status:
        """Forget the host that was set, and the one that worked last.

        Raises:
            FileAccessError, StateInUseError: nothing was changed.
        """
        return self._change(lambda state, now_s: state.with_host(None, now_s))

    def set_domain(self, domain: str) -> Status:
        """Look for KMS hosts in this DNS domain from now on, and in no other. A host set by hand comes before it.

        Raises:
            InvalidSettingError: that is no DNS domain.
            FileAccessError, StateInUseError: nothing was changed.
        """
        name = parse_domain(domain)
        return self._change(lambda state, now_s: state.with_domain(name, now_s))

    def clear_domain(self) -> Status:
        """Look in this machine's own DNS domain and its search list again; forget the host that worked last.

        Raises:
            FileAccessError, StateInUseError: nothing was changed.
        """
        return self._change(lambda state, now_s: state.with_domain(None, now_s))

    def set_caching(self, is_on: bool) -> Status:
        """Whether the host that worked last is asked first (the default). Off: priority and weight of the SRV records
        decide in every attempt.

        Raises:
            FileAccessError, StateInUseError: nothing was changed.
        """
        return self._change(lambda state, _: state.with_caching(is_on))

    def set_mdns(self, is_on: bool) -> Status:
        """Whether to look on the local link too, when DNS knows no host that will do (default: no).

        Raises:
            MdnsNotInstalledError: the package zeroconf is missing; nothing was changed.
            FileAccessError, StateInUseError: nothing was changed.
        """
        if is_on:
            check_installed()
        return self._change(lambda state, _: state.with_mdns(is_on))

    def adopt(self, settings: Settings) -> None:
        """Look for hosts and connect as these say, from the next attempt on.

        Raises:
            InvalidSettingError, FileAccessError: nothing has changed.
        """
        self._transport.adopt(settings.transport)
        self._network = settings.network
        self._driver.adopt(settings.network)

    def set_enrolment(self, secret: EnrolmentSecret | None) -> Status:
        """Prove this secret from now on to a KMS host that serves enrolled clients only; None: prove nothing.

        Raises:
            FileAccessError, StateInUseError: nothing was changed.
        """

        def change(state: ClientState, now_s: int) -> ClientState:
            if secret is None:
                self._enrolment.forget()
            else:
                self._enrolment.keep(secret)
            return state.with_attempt_due(now_s)

        return self._change(change)

    def discover(self) -> Discovery:
        """Look for KMS hosts as an attempt would, say hello to each, and tell every step.

        Counts nobody and changes nothing; takes about a minute at the most. Never raises for the network.
        """
        now_s = self._clock.now_s()
        finder = Finder(self._anchor.product.service, self._network, self._clock, self._entropy)
        search = finder.search(self._keeper.standing(now_s).state.directions())
        news = self._keeper.news
        check = check_certificate if news is None else news.check_certificate
        return survey(search, self._transport, self._anchor, now_s, check)

    def _change(self, change: Callable[[ClientState, int], ClientState]) -> Status:
        now_s = self._clock.now_s()
        with self._keeper.exclusive(PATIENCE_S):
            standing = self._keeper.standing(now_s, is_locked=True)
            self._keeper.keep(change(standing.state, now_s), standing.lease)
        return self.status()

    def _found_nobody(self) -> bool:
        outcome = self._keeper.standing(self._clock.now_s()).state.outcome
        return outcome is not None and outcome.code in ON_THE_WAY

    def _attempt_at_start(self) -> Status:
        with contextlib.suppress(StateInUseError):
            self._driver.attempt_now()
        return self.status()

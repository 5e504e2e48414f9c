"""`quorate host run`, from top to bottom: every part of a running host is made here, handed its neighbours, and ended.

Start: lock the state folder, read papers and settings, open both ports, begin to write, begin to listen. While it
runs: look each second whether settings, product files or the certificate changed, and use what is new. Stop: take no
more connections, answer what is under way, write what waits, close. Bounded in time at every step.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import structlog

from quorate.clock import Clock, Entropy
from quorate.core.events import ServiceFailed
from quorate.errors import InternalFaultError, PortTakenError, QuorateError
from quorate.host.admin_door import AdminDoor
from quorate.host.admin_tls import AdminTls
from quorate.host.administration import Administration
from quorate.host.admission import Admission
from quorate.host.beside import Beside
from quorate.host.chores import StoreChores
from quorate.host.config import Limits, Settings, StatePaths, differences, machine_name
from quorate.host.configuration import Configuration
from quorate.host.front import Front
from quorate.host.health import Health
from quorate.host.keyring import Credentials, HostKeyring
from quorate.host.listener import Listener
from quorate.host.metrics import HostMetrics
from quorate.host.papers_watch import PapersWatch
from quorate.host.process import ProcessPriority, Running, StateLock, raise_open_files
from quorate.host.public_api import PublicApi
from quorate.host.publication.machine import Surroundings
from quorate.host.sdnotify import ServiceManager
from quorate.host.service import ActivationService
from quorate.host.sockets import open_admin_socket, open_socket
from quorate.host.store.store import Store
from quorate.host.writer import AnswerWriter

__all__ = ["HostServer"]


_Served = TypeVar("_Served", Front, Listener)


class HostServer:
    """One running host.

    Args:
        state_dir: made by `quorate host init`.
        configuration: what is said of settings beside the store; read anew at the start and by `reload`.
        overrides: settings of this run only, by attribute of `Settings`; port 0 lets the operating system choose.
        on_change: called when changed settings, product files or a new certificate are in use.
        manager: told how it goes.
        handed: the clients' socket, when the service manager opened it (`sdnotify.handed_socket`).
        around: this machine's name and resolver, for DNS publication; None: as the operating system has them.

    Attributes:
        service, writer, administration, metrics, health: the parts, once it runs.
    """

    service: ActivationService
    writer: AnswerWriter
    administration: Administration
    metrics: HostMetrics
    health: Health

    def __init__(
        self,
        state_dir: Path,
        clock: Clock,
        entropy: Entropy,
        *,
        configuration: Configuration | None = None,
        overrides: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        on_change: Callable[[], None] | None = None,
        around: Surroundings | None = None,
        manager: ServiceManager | None = None,
        handed: socket.socket | None = None,
    ) -> None:
        self._manager = manager or ServiceManager({}, 0, clock)
        self._handed = handed
        self._around = around or Surroundings.of_this_machine(clock)
        self._on_change = on_change
        self._paths = StatePaths(state_dir)
        self._clock = clock
        self._entropy = entropy
        self._configuration = (configuration or Configuration()).for_run(overrides or {}, handed)
        self._limits = limits or Limits()
        self._log = structlog.get_logger("quorate.host")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._nudged = asyncio.Event()
        self._stop_asked = self._reload_asked = False
        self._priority = ProcessPriority()
        self._public: Front | None = None
        self._admin: Listener | None = None
        self._tls = AdminTls(clock, self._note_failed_start)

    # --- from outside ------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The clients' port that is really served, 0 while there is none."""
        return 0 if self._public is None else self._public.port

    @property
    def address(self) -> str:
        """The address clients are served on; `::` is every address of this machine."""
        return "" if self._public is None else self._public.address

    @property
    def admin_address(self) -> str:
        """The address administration is served on."""
        return "" if self._admin is None else self._admin.address

    @property
    def admin_port(self) -> int:
        """The port of administration that is really served, 0 while there is none."""
        return 0 if self._admin is None else self._admin.port

    @property
    def admin_url(self) -> str:
        """Where the console is; empty while there is none."""
        return "" if self._admin is None else self._door.url_of(self._admin)

    def stop(self) -> None:
        """Ask it to stop; from any thread, at any time, also before it runs."""
        self._stop_asked = True
        if self._stopping is not None:
            self._on_loop(self._stopping.set)
            self._on_loop(self._nudged.set)

    def reload(self) -> None:
        """Read settings, product files and certificate anew, now; from any thread (SIGHUP)."""
        self._reload_asked = True
        self._on_loop(self._nudged.set)

    def _on_loop(self, action: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: so has the host
                self._loop.call_soon_threadsafe(action)

    async def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until `stop`; returns when everything is answered, written and closed.

        Args:
            on_ready: called once both ports are served.

        Raises:
            StateMissingError, StateInUseError, FilePermissionsError, SchemaNewerError, PortTakenError: it could not
                start; where there is a store, event 12291 is in it.
        """
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        if self._stop_asked:
            return
        keyring = HostKeyring(self._paths, self._clock, self._entropy)
        with StateLock(self._paths) as lock, contextlib.closing(Store.open(self._paths.database)) as store:
            self._lock = lock
            self.administration = administration = Administration(keyring, store, self._clock, self._configuration)
            try:
                self._papers_stamp = keyring.stamp()  # before they are read: what changes from now on is noticed
                credentials = keyring.credentials()
                self._configuration.reread(credentials.products)
                settings = administration.settings()
                await asyncio.to_thread(self._tls.start, settings)
                public_socket = self._handed or open_socket(settings.address, settings.port, self._limits.backlog)
                with contextlib.closing(public_socket):
                    admin_socket = open_admin_socket(settings, self._limits.backlog)
                    with contextlib.closing(admin_socket):
                        await self._serve(store, credentials, settings, public_socket, admin_socket, on_ready)
            except QuorateError as fault:
                self._note_failed_start(fault)
                raise

    # --- parts -------------------------------------------------------------------------------------------------

    async def _serve(
        self,
        store: Store,
        credentials: Credentials,
        settings: Settings,
        public_socket: socket.socket,
        admin_socket: socket.socket,
        on_ready: Callable[[], None] | None,
    ) -> None:
        assert self._loop is not None, "run() sets it"  # noqa: S101  (our own mistake only)
        administration, limits = self.administration, self._limits
        chores = StoreChores(store, self._clock, credentials, settings)
        self.metrics = metrics = HostMetrics(
            lambda: writer.waiting, administration.group_counts, self._expires_s, administration.published
        )
        self.writer = writer = AnswerWriter(store, self._clock, limits, chores, metrics)
        self._admission = admission = Admission(self._clock, self._entropy, settings, writer.record)
        store.on_newcomers, chores.on_inventory = admission.note_newcomers, admission.note_inventory
        self.service = service = ActivationService(store, writer, self._clock, limits, credentials, settings, admission)
        self.health = health = Health(
            service,
            writer,
            self._clock,
            limits,
            self._paths.root,
            lambda: bool(self._public and self._public.is_serving),
            administration.dns,
            administration.falling,
            lambda: self._configuration.fault,
            lambda: self._beside,
            self._tls.notice,
            lambda: chores.log_fault,
            lambda: chores.time.fault,
            admission.inventory_fault,
        )
        self._beside = Beside(store, self._clock, self._entropy, credentials.host_id, writer.record, self._around)
        self._papers = PapersWatch(administration.keyring, self._clock, self._entropy, writer.record, machine_name())
        self._public_api = PublicApi(service, metrics, admission)
        self._door = AdminDoor(
            administration, health, metrics, writer, self._tls, self._clock, self._entropy, self._around, limits
        )
        self._apply_priority(settings)
        writer.start(self._loop)
        try:
            self._public = await self._listen_public(public_socket)
            self._admin = await self._door.open(admin_socket, settings)
            self._say_where()
            self._be_found(settings)
            self._manager.ready(self._standing())
            if on_ready is not None:
                on_ready()
            await self._watch(writer, chores, settings)
        finally:
            await self._end(writer)

    async def _listen_public(self, sock: socket.socket) -> Front:
        connections_max = raise_open_files(self._limits.connections_max)
        front = Front(sock, self._public_api, self._clock, self._limits, connections_max)
        await front.start()
        return front

    async def _end(self, writer: AnswerWriter) -> None:
        """Listeners and publication first: what they have taken in, and their events, need the writer."""
        self._manager.stopping()
        self._log.info("stopping", waiting=writer.waiting)
        listeners: list[Front | Listener] = [each for each in (self._public, self._admin) if each is not None]
        await asyncio.gather(
            *(listener.stop(self._limits.stop_s) for listener in listeners),
            *(asyncio.to_thread(each.stop, self._limits.stop_s) for each in self._beside.publishers),
        )
        writer.stop()
        if not await asyncio.to_thread(writer.join, self._limits.stop_s):
            self._log.error("writer_does_not_end", waiting=writer.waiting)
        if not await asyncio.to_thread(self._beside.export.stop, self._limits.stop_s):
            self._log.warning("export_abandoned", targets=self._beside.export.targets())
        self.service.close()
        self._public = self._admin = None
        self._log.info("stopped")

    # --- what changes while it runs ------------------------------------------------------------------------------

    async def _watch(self, writer: AnswerWriter, chores: StoreChores, settings: Settings) -> None:
        """Once a second: use what has changed; tell those who have waited too long."""
        assert self._stopping is not None, "run() sets it"  # noqa: S101  (our own mistake only)
        stamp: Any = self._papers_stamp, self._tls.seen
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), self._limits.poll_s)
            self._nudged.clear()
            if self._public is not None and not self._public.is_serving and not self._stopping.is_set():
                self._log.error("listener_ended", hint="the service manager starts the host again")
                raise InternalFaultError
            stalled = writer.give_up_stale()
            if stalled:
                self._log.error("store_stalled", requests=stalled)
            if writer.is_alive:  # and this loop goes round: else the service manager starts the host anew
                self._manager.pulse()
            self._papers.look(self.service.credentials, settings)
            is_reload, self._reload_asked = self._reload_asked, False
            if is_reload:
                self._manager.reloading()
            stamp, settings = await self._use_changes(chores, stamp, settings, is_reload)
            if self._admin is not None:
                self._admin = await self._door.shed(self._admin)
            if is_reload:
                self._manager.ready(self._standing())

    async def _use_changes(
        self, chores: StoreChores, stamp: Any, settings: Settings, is_reload: bool
    ) -> tuple[Any, Settings]:
        """Look, and use what is new; the files' stamp and the settings that now hold."""
        try:
            found, wanted = await asyncio.to_thread(self._look, is_reload)
            credentials = self.service.credentials
            if found != stamp or is_reload:
                credentials = await asyncio.to_thread(self.administration.keyring.credentials)
        except QuorateError as fault:  # a file being exchanged, a store in trouble: go on with what we have
            self._log.warning("cannot_look_for_changes", code=fault.code, message=fault.message)
            return stamp, settings
        except Exception:  # noqa: BLE001  (to look for changes is not worth a host's life)
            self._log.exception("cannot_look_for_changes")
            return stamp, settings
        if found == stamp and wanted == settings and not is_reload:
            return stamp, settings
        self.service.adopt(credentials, wanted)
        self._admission.adopt(wanted)
        chores.adopt(credentials.products, wanted)
        settings = await self._apply(settings, wanted)
        self._be_found(settings)
        if self._on_change is not None:
            self._on_change()
        return found, settings

    def _look(self, is_reload: bool) -> tuple[Any, Settings]:
        if is_reload:
            try:
                self._configuration.reread(self.service.credentials.products)
            except QuorateError as fault:  # what was read before stays in use
                self._log.error("configuration_not_used", code=fault.code, message=fault.message, hint=fault.hint)
                self._note_failed_start(fault)
        wanted = self.administration.settings()
        return (self.administration.keyring.stamp(), self._tls.stamp(wanted)), wanted

    async def _apply(self, before: Settings, wanted: Settings) -> Settings:
        """What needs more than the next answer: ports and priority. The settings that now hold."""
        self._log.info("changed", settings=differences(before, wanted), products=self._products())
        if wanted.priority is not before.priority:
            self._apply_priority(wanted)
        if (wanted.address, wanted.port) != (before.address, before.port) and self._public is not None:
            self._public = await self._move(self._public, wanted.address, wanted.port, self._listen_public)
        if self._admin is not None:
            self._admin = await self._door.follow(self._admin, wanted, self._move)
        self._say_where()
        return wanted

    async def _move(
        self, listener: _Served, address: str, port: int, listen: Callable[[socket.socket], Awaitable[_Served]]
    ) -> _Served:
        """Listen elsewhere, without a moment of silence where that is possible; stay where that fails."""
        old_address, old_port = listener.address, listener.port
        if port == old_port:  # another address on the same port: the old one must go first
            await listener.stop(self._limits.stop_s)
        try:
            moved = await listen(open_socket(address, port, self._limits.backlog))
        except PortTakenError as fault:
            self._log.error("cannot_listen", message=fault.message, hint=fault.hint)
            self._note_failed_start(fault)
            if port != old_port:
                return listener
            return await listen(open_socket(old_address, old_port, self._limits.backlog))
        if port != old_port:
            await listener.stop(self._limits.stop_s)
        return moved

    def _say_where(self) -> None:
        where = Running(
            pid=os.getpid(),
            port=self.port,
            address=self.address,
            admin_port=self.admin_port,
            admin_address=self.admin_address,
            config=None if self._configuration.file is None else str(self._configuration.file),
            layers=self._configuration.layers,
        )
        self._lock.say(where)
        self._manager.status(self._standing())
        self._log.info("listening", host_id=self.service.credentials.host_id, pid=where.pid, **where.served())

    def _standing(self) -> str:
        """One line for `systemctl status`."""
        activated = "activated" if self.service.credentials.certificate else "not activated"
        return f"{activated}; clients on TCP port {self.port}, administration on {self.admin_address}:{self.admin_port}"

    def _be_found(self, settings: Settings) -> None:
        """Publish what is really served: the port may be another than the settings say."""
        self._beside.adopt(settings, self.port, self.service.credentials.products)

    def _apply_priority(self, settings: Settings) -> None:
        reason = self._priority.set(settings.priority)
        if reason is not None:
            self._log.warning("priority_unchanged", wanted=settings.priority.value, reason=reason)

    def _products(self) -> list[str]:
        return [product.product for product in self.service.credentials.products]

    def _expires_s(self) -> int:
        certificate = self.service.credentials.certificate
        return 0 if certificate is None else certificate.expires_s

    def _note_failed_start(self, fault: QuorateError) -> None:
        """Event 12291. A store that cannot take it must not hide the fault itself."""
        event = ServiceFailed(
            time_s=self._clock.now_s(), code=fault.code, hresult=fault.hresult or 0, message=fault.message
        )
        with contextlib.suppress(QuorateError):
            self.administration.record(event)

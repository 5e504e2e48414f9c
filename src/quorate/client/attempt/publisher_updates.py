"""Learns from KMS hosts what the publisher has said, and judges their answers by it.

A host's word that there is something new costs it one question for each; what it then serves is believed only as far
as it proves itself. A host that serves nothing, or rubbish, changes nothing: its answer stands for itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from quorate.client.discovery.target import Target
from quorate.client.storage.publisher_documents import ListSeen, News
from quorate.client.transport.exchange import Transport
from quorate.core.lease import Lease, Refusal
from quorate.core.messages import Answer
from quorate.core.trust import Anchor, Question
from quorate.errors import ListOutdatedError, MalformedError, QuorateError, RetiredKeyError, UnknownPublisherError

__all__ = ["Learner", "Where"]

_log = logging.getLogger("quorate.client")


class Where(msgspec.Struct, frozen=True):
    """The host that answered, and how it was reached."""

    target: Target
    addresses: Sequence[str] | None


class Learner:
    """Keeps `news` up to date with what hosts carry."""

    def __init__(self, news: News, transport: Transport) -> None:
        self.news = news
        self._transport = transport

    def accept(
        self,
        answer: Answer,
        question: Question,
        anchor: Anchor,
        now_s: int,
        where: Where,
        *,
        seen: ListSeen | None,
        is_renewal: bool,
    ) -> Lease | Refusal:
        """The verified answer, judged by what this host carries as well.

        The publisher's keys are asked for at each renewal, when the answer is signed by unknown ones, and before a new
        list; the list, when the host says that it holds a newer one than is known here.

        Raises:
            as `core.trust.accept_answer`.
        """
        news = self.news
        try:
            said = news.accept(answer, question, anchor, now_s)
        except RetiredKeyError:
            raise
        except UnknownPublisherError:
            if not self._follow_trust(where, now_s):
                raise
            said = news.accept(answer, question, anchor, now_s)
        else:
            if (is_renewal or news.is_behind(answer.revocations)) and self._follow_trust(where, now_s):
                said = news.accept(answer, question, anchor, now_s)
        if news.is_behind(answer.revocations) and self._take_list(where, now_s, seen):
            said = news.accept(answer, question, anchor, now_s)
        return said

    def _follow_trust(self, where: Where, now_s: int) -> bool:
        try:
            chain = self._transport.trust(where.target, now_s, where.addresses).trust
        except QuorateError as fault:
            _log.debug("%s serves no trust documents: %s", where.target, fault.message)
            return False
        try:
            return self.news.take_chain(chain)
        except QuorateError as fault:
            _log.warning("the trust documents of %s are refused: %s: %s", where.target, fault.code, fault.message)
            return False

    def _take_list(self, where: Where, now_s: int, seen: ListSeen | None) -> bool:
        try:
            token = self._transport.revocations(where.target, now_s, where.addresses).revocations
            if token is None:
                raise MalformedError(what="the host's revocation list", reason="it holds none, but gave its number")
        except QuorateError as fault:
            _log.debug("%s serves no revocation list: %s", where.target, fault.message)
            return False
        try:
            self.news.take_list(token, seen)
        except QuorateError as fault:
            level = logging.DEBUG if type(fault) is ListOutdatedError else logging.WARNING
            _log.log(level, "the revocation list of %s is refused: %s: %s", where.target, fault.code, fault.message)
            return False
        return True

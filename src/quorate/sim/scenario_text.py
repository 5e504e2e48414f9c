"""A scenario as the TOML that `sim.scenario_file` reads: so that a made-up one can be kept, read and changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET, UnsetType

from quorate.core.policy import MINUTE_S, SoftThreshold
from quorate.sim.scenario import Scenario

__all__ = ["scenario_text"]


def scenario_text(scenario: Scenario) -> str:
    """The file that says the same."""
    policy = scenario.policy
    top = {
        "title": scenario.title,
        "about": scenario.about,
        "start": datetime.fromtimestamp(scenario.start_s, UTC).strftime("%Y-%m-%d"),
        "length": _span(scenario.length_s),
        "seed": scenario.seed,
        "tick": _span(scenario.tick_s),
        "sweep": _span(scenario.sweep_s),
        "signatures": "quick" if scenario.is_quick else "real",
        "faults_end": _span(scenario.faults_end_s),
    }
    parts = [_lines(None, top)]
    parts.append(
        _lines(
            "[policy]",
            {
                "profile": policy.profile,
                "client": policy.thresholds.client.minimum,
                "server": policy.thresholds.server.minimum,
                **_soft(policy.thresholds.client.soft),
                "activation": _span(policy.activation_validity_s),
                "count_window": _span(policy.count_window_s),
                "initial_grace": _span(policy.initial_grace_s),
                "additional_grace": _span(policy.additional_grace_s),
            },
        )
    )
    wire = scenario.wire
    parts.append(
        _lines(
            "[network]",
            {
                "loss_permille": wire.loss_permille,
                "duplicate_permille": wire.duplicate_permille,
                "delay_max": _span(wire.delay_max_s),
            },
        )
    )
    for host in scenario.hosts:
        values: dict[str, Any] = {
            "name": host.name,
            "database": host.database,
            "activation_interval": _span(host.activation_interval_min * MINUTE_S),
            "renewal_interval": _span(host.renewal_interval_min * MINUTE_S),
        }
        parts.append(_lines("[[host]]", values))
    for each in scenario.populations:
        values = {
            "name": each.name,
            "kind": each.kind.value,
            "machines": each.machines,
            "join": _span(each.join_s),
            "join_over": _span(each.join_over_s),
            "stay": _span(each.stay_s),
            "daily": "yes" if each.daily else "no",
            "hours": each.hours.value,
            "drift_ppm": each.drift_ppm,
            "reset_daily": "yes" if each.reset_daily else "no",
            "image": each.image,
        }
        parts.append(_lines("[[population]]", values))
    parts += [_lines("[[event]]", _event(each)) for each in scenario.happenings]
    parts += [
        _lines("[[chapter]]", {"at": _span(each.at_s), "title": each.title, "text": each.text})
        for each in scenario.chapters
    ]
    return "\n".join(parts)


def _event(happening: Any) -> dict[str, Any]:
    return {
        "at": _span(happening.at_s),
        "what": happening.what.value,
        "population": happening.population,
        "machines": happening.machines or None,
        "host": happening.host,
        "for": _span(happening.for_s),
        "by": _span(happening.by_s) if happening.by_s else None,
        "identity": happening.identity,
    }


def _soft(soft: SoftThreshold | UnsetType) -> dict[str, Any]:
    return {} if soft is UNSET else {"soft": soft.minimum, "soft_for": _span(soft.lasts_s)}


def _lines(heading: str | None, values: dict[str, Any]) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]
    return "\n".join([*([heading] if heading else []), *lines, ""])


def _span(seconds: int | None) -> str | None:
    return None if seconds is None else f"{seconds}s"

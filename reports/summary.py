"""The one place all numbers of a report come from: pages, figures and documents show this summary and nothing else."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from reports.arms import ArmComparison, arms_section, summarise_arms
from reports.capacity import CapacitySummary, capacity_headlines, capacity_sections, summarise_capacity
from reports.combinations import Combinations, combinations_section, summarise_combinations
from reports.deliveries import LedgerSummary, ledger_table, summarise_ledger
from reports.fanout import FanoutSummary, bytes_section, fanout_section, summarise_fanout
from reports.gate.duet import DUET
from reports.gate.outputs import Outcome
from reports.gate.section import gate_headlines, gate_section, gate_surprises, summarise_gate
from reports.headline import Headline, RunVerdict, headlines, run_verdict
from reports.health import HealthSummary, health_section, summarise_health
from reports.index_sections import index_sections
from reports.measurements import Measurements
from reports.notices import Notice, notices
from reports.numbers import Number, Table
from reports.pagination import PaginationSummary, pagination_section, summarise_pagination
from reports.paging import PagingSummary, paging_section, summarise_paging
from reports.presence import PresenceSummary, presence_section, summarise_presence
from reports.scenario_sections import ScenarioSummary, scenario_section, summarise_scenarios
from reports.section import Section, of_arm
from reports.server import ServerSummary, server_section, summarise_server
from reports.strategies import StrategiesSummary, strategies_section, summarise_strategies
from reports.surprises import surprises
from scenarios.run_records import RunManifest

DOCUMENT_VERSION = 1


@dataclass(frozen=True)
class RunSummary:
    """What a run says."""

    manifest: RunManifest
    verdict: RunVerdict
    empty: bool
    headlines: tuple[Headline, ...]
    surprises: tuple[str, ...]
    ledger: LedgerSummary
    ledger_table: Table | None
    pagination: PaginationSummary
    paging: PagingSummary
    fanout: FanoutSummary
    presence: PresenceSummary
    scenarios: tuple[ScenarioSummary, ...]
    strategies: StrategiesSummary
    server: ServerSummary
    capacity: CapacitySummary
    health: HealthSummary
    arms: tuple[ArmComparison, ...]
    combinations: Combinations | None  # of the fan-out's arms
    gate: Outcome | None  # of a duet
    sections: tuple[Section, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the scenarios want the reader to know."""
        return tuple(
            f"{record.part}: {warning}"
            for record in self.manifest.scenarios
            for warning in dict.fromkeys(record.warnings)
        )

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The same warnings, alike ones together."""
        return notices(self.manifest.scenarios)

    @property
    def numbers(self) -> dict[str, Number]:
        """Every number of the report by its key."""
        tables = [table for section in self.sections for table in section.tables]
        if self.ledger_table is not None:
            tables.append(self.ledger_table)
        found = [headline.number for headline in self.headlines]
        found += [number for table in tables for number in table.numbers]
        repeated = [key for key, times in Counter(number.key for number in found).items() if times > 1]
        assert not repeated, f"numbers share keys: {repeated}"
        return {number.key: number for number in found}


def summarise_run(measurements: Measurements) -> RunSummary:
    """The summary of a run."""
    manifest = measurements.manifest
    ledger = summarise_ledger(measurements)
    # Where a scenario compares several servers, the first one speaks for it; all of them are compared further down.
    baselines = measurements.of_baselines()
    pagination = summarise_pagination(baselines)
    paging = summarise_paging(baselines)
    fanout = summarise_fanout(baselines)
    presence = summarise_presence(baselines)
    scenarios = summarise_scenarios(baselines)
    # The arms of a duet met pairs of requests; their rounds are judged by the gate's own rules.
    arms = tuple(one for one in summarise_arms(measurements) if one.scenario != DUET)
    combinations = next((found for one in arms if (found := summarise_combinations(one)) is not None), None)
    gate = summarise_gate(measurements)
    strategies = summarise_strategies(measurements)
    server = summarise_server(measurements)
    capacity = summarise_capacity(measurements)
    health = summarise_health(measurements)
    return RunSummary(
        manifest=manifest,
        verdict=run_verdict(manifest, _measured(measurements)),
        empty=measurements.empty,
        headlines=capacity_headlines(capacity)
        or (gate_headlines(gate) if gate is not None else ())
        or headlines(
            ran=[record.name for record in manifest.scenarios],
            ledger=ledger,
            pagination=pagination,
            fanout=fanout,
            presence=presence,
            scenarios=scenarios,
            strategies=strategies,
        ),
        surprises=(gate_surprises(gate, manifest) if gate is not None else ())
        + surprises(
            manifest=manifest,
            measured_scenarios=_measured(measurements),
            ledger=ledger,
            pagination=pagination,
            fanout=fanout,
            strategies=strategies,
            health=health,
        ),
        ledger=ledger,
        ledger_table=ledger_table(ledger),
        pagination=pagination,
        paging=paging,
        fanout=fanout,
        presence=presence,
        scenarios=scenarios,
        strategies=strategies,
        server=server,
        capacity=capacity,
        health=health,
        arms=arms,
        combinations=combinations,
        gate=gate,
        sections=(
            *([gate_section(gate)] if gate is not None else []),
            *capacity_sections(capacity),
            *(arms_section(comparison) for comparison in arms),
            *((combinations_section(combinations),) if combinations is not None else ()),
            *_of_arms(measurements, "pagination", _pagination_sections),
            *((paging_section(paging),) if paging.costs else ()),
            *_of_arms(measurements, "fanout", _fanout_sections),
            *_of_arms(measurements, "presence", _presence_sections),
            *(scenario_section(one) for one in scenarios),
            strategies_section(strategies),
            *index_sections(measurements),
            server_section(server),
            health_section(health),
        ),
    )


def _pagination_sections(measurements: Measurements) -> tuple[Section, ...]:
    return (pagination_section(summarise_pagination(measurements)),)


def _fanout_sections(measurements: Measurements) -> tuple[Section, ...]:
    fanout = summarise_fanout(measurements)
    return fanout_section(fanout), bytes_section(fanout)


def _presence_sections(measurements: Measurements) -> tuple[Section, ...]:
    return (presence_section(summarise_presence(measurements)),)


def _of_arms(
    measurements: Measurements, scenario: str, sections: Callable[[Measurements], tuple[Section, ...]]
) -> tuple[Section, ...]:
    """A scenario's sections, once for each server that it measured."""
    arms = measurements.arms(scenario)
    if not arms:
        return sections(measurements)
    return tuple(
        of_arm(section, arm, is_baseline=arm == arms[0])
        for arm in arms
        for section in sections(measurements.of_arm(scenario, arm))
    )


def summary_document(summary: RunSummary) -> dict[str, Any]:
    """The summary as plain JSON values; `numbers` holds every figure of the report by key, None where not measured."""
    document = {
        "document_version": DOCUMENT_VERSION,
        "run_id": summary.manifest.run_id,
        "title": summary.manifest.title,
        "verdict": summary.verdict,
        "gate": None if summary.gate is None else summary.gate.verdict,
        "warnings": summary.warnings,
        "surprises": summary.surprises,
        "headlines": [
            {"title": headline.title, "key": headline.number.key, "detail": headline.detail}
            for headline in summary.headlines
        ],
        "readings": {section.name: section.reading for section in summary.sections},
        "numbers": {key: number.value for key, number in summary.numbers.items()},
        "units": {key: number.unit for key, number in summary.numbers.items() if number.unit},
        "timeline": summary.health.timeline,
    }
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return plain


def _measured(measurements: Measurements) -> frozenset[str]:
    """The scenarios that left anything."""
    names = {series.scenario for series in measurements.series}
    names |= {ledger.scenario for ledger in measurements.ledger.ledgers}
    names |= {record.name for record in measurements.manifest.scenarios if record.counts}
    if measurements.capacity is not None:
        names.add("capacity")
    return frozenset(names | {"queries", "indexes"} if measurements.queries else names)

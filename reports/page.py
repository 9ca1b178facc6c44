"""report.html: one file that opens offline, in light and dark, on paper and on a phone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fixtures.errors import InputError
from reports.figure_style import Images
from reports.gate.outputs import reading
from reports.numbers import NOT_MEASURED, Number, format_number
from reports.section import Section
from reports.summary import RunSummary

OPEN_ROWS = 16  # a longer table starts folded


@dataclass(frozen=True)
class Facts:
    """One list of names and values at the end of the page."""

    title: str
    values: dict[str, str]


def render_page(summary: RunSummary, figures: Mapping[str, Images]) -> str:
    """The whole document; everything that came from the run folder is escaped."""
    return (
        page_environment()
        .get_template("report.html")
        .render(
            summary=summary,
            manifest=summary.manifest,
            verdict=summary.verdict,
            gate_reading="" if summary.gate is None else reading(summary.gate),
            wide={name: svg_markup(figure.wide_svg) for name, figure in figures.items()},
            narrow={name: svg_markup(figure.narrow_svg) for name, figure in figures.items()},
            measured=[section for section in summary.sections if section.measured],
            unmeasured=[section for section in summary.sections if not section.measured],
            alternatives={section.name: alternative(section) for section in summary.sections},
            facts=_facts(summary),
            started_at=readable_time(summary.manifest.started_at),
        )
    )


def unbroken(text: str) -> str:
    """The text with numbers that stay on one line with their units."""
    return re.sub(r"(?<=\d) (?=(?:ms|s|B|MB|%|×)(?!\w))", "\N{NO-BREAK SPACE}", text)


def alternative(section: Section) -> str:
    """What a figure says to those who cannot see it; its numbers are in the tables below it."""
    return f"Figure: {section.title}. {section.reading} The numbers are in the tables below."


def page_environment() -> Environment:
    """Templates that escape everything that came from a run folder, and complain of what is not there."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = unbroken
    environment.tests["number"] = lambda cell: isinstance(cell, Number)
    environment.globals.update(not_measured=NOT_MEASURED, open_rows=OPEN_ROWS, format_number=format_number)
    return environment


def svg_markup(svg: str) -> Markup:
    """A drawing as it is: matplotlib escapes the texts it draws, and everything else in its SVG is its own."""
    return Markup(svg)  # noqa: S704


def write_page(path: Path, document: str) -> None:
    """Writes a page at once, so that nobody opens half of it; InputError when it cannot be written."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(document, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"cannot write {path} ({error.strerror}); name a file in a folder that is there") from error


def readable_time(manifest_time: str) -> str:
    """To the minute, in UTC; as it stands when it is no time."""
    try:
        return datetime.fromisoformat(manifest_time).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return manifest_time


def _facts(summary: RunSummary) -> tuple[Facts, ...]:
    manifest = summary.manifest
    run: dict[str, Any] = {
        "run": manifest.run_id,
        "started at": manifest.started_at,
        "finished at": manifest.finished_at or "never",
        "seed": manifest.seed,
        "commit": manifest.commit or "not run from a checkout",
    }
    found = [Facts("Run", _texts(run)), Facts("Options", _texts(manifest.options))]
    if manifest.dataset is not None:
        dataset = manifest.dataset
        described: dict[str, Any] = {
            "size": dataset.size,
            "seed": dataset.seed,
            "sha256": dataset.sha256,
            "users": format_number(dataset.user_count),
            **{f"rows of {table}": format_number(rows) for table, rows in dataset.rows.items()},
        }
        found.append(Facts("Data set", _texts(described)))
    found += [
        Facts("Versions", _texts(manifest.versions)),
        Facts("Host", _texts(manifest.host)),
        Facts("PostgreSQL settings", _texts(manifest.postgres_settings)),
        Facts("Chat server settings", _texts(manifest.server_settings)),
    ]
    found += [
        Facts(f"Arm {arm.name} of {scenario}", _texts(arm.settings))
        for scenario, arms in manifest.arms.items()
        for arm in arms
    ]
    # The blocks of an arm differ in nothing but their seeds.
    for record in manifest.scenarios:
        if not record.block:
            arm = f", {record.arm}" if record.arm else ""
            model = ", closed loop" if record.model == "closed" else ""
            found.append(Facts(f"Options of {record.name}{arm}{model}", _texts(record.options)))
            workload = {row.name: f"{row.value} {row.unit} ({row.source})" for row in record.workload}
            found.append(Facts(f"Workload of {record.name}{arm}, with the source of each number", workload))
    return tuple(facts for facts in found if facts.values)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in values.items()
    }

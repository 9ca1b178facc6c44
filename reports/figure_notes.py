"""What must stand on a figure itself, because figures are shown without their page."""

from collections.abc import Collection, Iterable

from scenarios.run_records import RunManifest


def closed_loop_scenarios(manifests: Iterable[RunManifest]) -> set[str]:
    """The scenarios of these runs whose users waited for answers before they asked again."""
    return {record.name for manifest in manifests for record in manifest.scenarios if record.model == "closed"}


def closed_loop_note(scenarios: Collection[str]) -> str:
    """The label of a figure with numbers of such scenarios; nothing without any."""
    if not scenarios:
        return ""
    return (
        f"Closed loop ({', '.join(sorted(scenarios))}): users wait for each answer, then think; what would have been "
        "asked during a stall is in no latency."
    )

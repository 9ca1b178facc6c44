"""What each server of a fan-out comparison costs: bytes, latency and CPU of a delivery, one row per server.

The comparison's own section has every figure with its ratio to the first server; here they stand side by side, as a
crossing of encoding, compression and coalescing is read.
"""

from dataclasses import dataclass

from reports.arms import ArmComparison, ArmRow
from reports.numbers import Cell, Column, Number, Table, format_number, label_order, number_key
from reports.section import Section, and_list

NAME = "combinations"
_SCENARIO = "fanout"
# Measure of the comparison's exact counts, what its column is called, unit.
PER_DELIVERY = (
    ("received_bytes_per_delivery", "bytes received per delivery", "B"),
    ("written_bytes_per_delivery", "bytes written per delivery", "B"),
    ("content_bytes_per_delivery", "of that, content", "B"),
    ("server_cpu_us_per_delivery", "server CPU per delivery", "µs"),
)
PERCENTS = (50, 95)  # as the comparison has them
_HOW = (
    "Bytes are counted at the recipients' sockets and by the server, frame headers included; CPU is that of the chat "
    "server's process during the measured time, sends and all else included, over the deliveries; latency runs from "
    "the intended send to a recipient's socket. All blocks together; the comparison above has the intervals."
)


@dataclass(frozen=True)
class Combinations:
    """The servers of a comparison, and what a delivery costs on each."""

    arms: tuple[str, ...]
    per_delivery: dict[str, dict[str, float | None]]  # measure → arm → value
    latency_ms: dict[tuple[str, int], dict[str, float | None]]  # (group size, percentile) → arm → value

    @property
    def group_sizes(self) -> list[str]:
        """Ascending."""
        return sorted({size for size, _ in self.latency_ms}, key=label_order)


def summarise_combinations(comparison: ArmComparison) -> Combinations | None:
    """Of a comparison of fan-out whose deliveries were counted; None of any other."""
    exact = {row.measure: row for row in comparison.exact}
    if comparison.scenario != _SCENARIO or "received_bytes_per_delivery" not in exact:
        return None

    def values(row: ArmRow) -> dict[str, float | None]:
        return {arm: value.value for arm, value in row.values.items()}

    latency = {
        (row.labels["group_size"], percent): values(row)
        for row in comparison.rows
        for percent in PERCENTS
        if row.measure == f"delivery_p{percent}"
    }
    # A count that nobody made is zero everywhere.
    counted = {measure: values(exact[measure]) for measure, _, _ in PER_DELIVERY if measure in exact}
    per_delivery = {measure: found for measure, found in counted.items() if any(found.values())}
    return Combinations(comparison.arms, per_delivery, latency)


def combinations_section(found: Combinations) -> Section:
    """The section, after that of the comparison."""
    columns = [Column("server")]
    known = [entry for entry in PER_DELIVERY if entry[0] in found.per_delivery]
    columns += [Column(title, unit) for _, title, unit in known]
    columns += [Column(f"p{percent}, group of {size}", "ms") for size, percent in found.latency_ms]
    rows = []
    for arm in found.arms:
        row: list[Cell] = [arm]
        for measure, _, unit in known:
            row.append(Number(number_key(NAME, measure, {"arm": arm}), found.per_delivery[measure].get(arm), unit))
        for (size, percent), values in found.latency_ms.items():
            labels = {"arm": arm, "group_size": size}
            row.append(Number(number_key(NAME, f"delivery_ms_p{percent}", labels), values.get(arm), "ms"))
        rows.append(tuple(row))
    table = Table("A delivery on each server", tuple(columns), tuple(rows))
    question = "What does a delivery cost on each server: bytes, time, CPU?"
    return Section(NAME, "Combinations side by side", question, _reading(found), _HOW, measured=True, tables=(table,))


def _reading(found: Combinations) -> str:
    told = []
    for measure, what, unit in (
        ("received_bytes_per_delivery", "fewest bytes per delivery", "B"),
        ("server_cpu_us_per_delivery", "least server CPU per delivery", "µs"),
    ):
        values = {arm: value for arm, value in found.per_delivery.get(measure, {}).items() if value is not None}
        if values:
            least, most = min(values, key=lambda arm: values[arm]), max(values, key=lambda arm: values[arm])
            told.append(
                f"the {what} “{least}” has ({format_number(values[least])} {unit}) and the most “{most}” "
                f"({format_number(values[most])} {unit})"
            )
    sentence = and_list(told)
    return f"{sentence[0].upper()}{sentence[1:]}."

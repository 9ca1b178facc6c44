"""The sections that the query laboratory adds to a report beside its table of cells."""

from reports.index_answers import answers_section
from reports.index_choice import choice_section
from reports.index_costs import costs_section
from reports.index_designs import designs_section
from reports.index_plans import plans_section
from reports.index_record import read_index_record
from reports.measurements import Measurements
from reports.section import Section


def index_sections(measurements: Measurements) -> tuple[Section, ...]:
    """What there is to show, in reading order; empty when the laboratory did not look into anything."""
    record = read_index_record(measurements)
    if record is None:
        return ()
    found = (
        answers_section(record),
        choice_section(record),
        costs_section(record),
        plans_section(record),
        designs_section(record),
    )
    return tuple(section for section in found if section is not None)

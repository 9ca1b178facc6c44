"""The end of a run for someone at a terminal: verdict, the numbers that matter, what surprised, where the report is."""

from reports.report import Report


def terminal_text(report: Report) -> str:
    """A few lines; the page has the rest."""
    summary = report.summary
    lines = [f"{summary.manifest.title}: {report.verdict.verdict}"]
    lines += [f"  because {reason}" for reason in report.verdict.reasons]
    lines += [""]
    width = max((len(headline.title) for headline in summary.headlines), default=0)
    for headline in summary.headlines:
        number = headline.number
        detail = f" ({headline.detail})" if headline.detail else ""
        unit = f" {number.unit}" if number.unit and number.value is not None else ""
        lines.append(f"{headline.title:{width}}  {number.text}{unit}{detail}")
    warnings = [notice.line for notice in summary.notices]
    for title, sentences in (("What surprised", summary.surprises), ("Warnings", warnings)):
        if sentences:
            lines += ["", title, *(f"  {sentence}" for sentence in sentences)]
    return "\n".join([*lines, "", f"Report: {report.page}"])

"""The report of a run: report.html and its figures as PNG, drawn from the run folder alone."""

from dataclasses import dataclass
from pathlib import Path

from fixtures.errors import InputError
from reports.figure_style import images
from reports.figures import drawings
from reports.headline import RunVerdict
from reports.measurements import read_measurements
from reports.page import render_page
from reports.summary import RunSummary, summarise_run

PAGE_NAME = "report.html"
FIGURES_FOLDER = "figures"


@dataclass(frozen=True)
class Report:
    """What was written, and what the run says."""

    page: Path
    figures: tuple[Path, ...]
    summary: RunSummary

    @property
    def verdict(self) -> RunVerdict:
        """Whether to believe the run."""
        return self.summary.verdict


def summarise(run_folder: Path) -> RunSummary:
    """The numbers of a run, without drawing; InputError when the folder holds no readable run."""
    return summarise_run(read_measurements(run_folder))


def render(run_folder: Path) -> Report:
    """Draws the report into its run folder, replacing an older one; InputError when it cannot be read or written."""
    summary = summarise(run_folder)
    figures = {name: images(drawing) for name, drawing in drawings(summary).items()}
    document = render_page(summary, figures)
    folder = run_folder / FIGURES_FOLDER
    page = run_folder / PAGE_NAME
    temporary = run_folder / f".{PAGE_NAME}.part"
    paths = {name: folder / f"{name}.png" for name in figures}
    try:
        folder.mkdir(exist_ok=True)
        for older in folder.glob("*.png"):
            if older not in paths.values():
                older.unlink()  # a figure of an earlier drawing must not outlive its data
        for name, figure in figures.items():
            paths[name].write_bytes(figure.png)
        temporary.write_text(document, encoding="utf-8")
        temporary.replace(page)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"cannot write the report to {error.filename or page} ({error.strerror}); "
            "free space or make the folder writable"
        ) from error
    return Report(page, tuple(paths.values()), summary)

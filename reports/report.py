"""The report of a run: report.html and its figures as PNG, drawn from the run folder alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fixtures.errors import InputError
from reports.figure_style import Images, images
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
    figures = _draw(summary)
    document = render_page(summary, figures)
    page = run_folder / PAGE_NAME
    temporary = run_folder / f".{PAGE_NAME}.part"
    with _writing(page):
        try:
            paths = _write_pngs(run_folder, figures)
            temporary.write_text(document, encoding="utf-8")
            temporary.replace(page)
        finally:
            temporary.unlink(missing_ok=True)
    return Report(page, paths, summary)


def write_figures(run_folder: Path, summary: RunSummary) -> tuple[Path, ...]:
    """The figures alone, as PNG; InputError when they cannot be written."""
    with _writing(run_folder / FIGURES_FOLDER):
        return _write_pngs(run_folder, _draw(summary))


def _draw(summary: RunSummary) -> dict[str, Images]:
    return {name: images(drawing) for name, drawing in drawings(summary).items()}


def _write_pngs(run_folder: Path, figures: Mapping[str, Images]) -> tuple[Path, ...]:
    folder = run_folder / FIGURES_FOLDER
    paths = {name: folder / f"{name}.png" for name in figures}
    folder.mkdir(exist_ok=True)
    for older in folder.glob("*.png"):
        if older not in paths.values():
            older.unlink()  # a figure of an earlier drawing must not outlive its data
    for name, figure in figures.items():
        paths[name].write_bytes(figure.png)
    return tuple(paths.values())


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write the report to {error.filename or place} ({error.strerror}); "
            "free space or make the folder writable"
        ) from error

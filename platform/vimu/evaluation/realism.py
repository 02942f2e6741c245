"""Checked against reality: write `docs/realism.md`, its figures and its numbers.

    python -m vimu.evaluation.realism --data $VIMU_DATA --bandai data/bandai \\
        --umafall data/umafall/UMAFall_Dataset --write docs/realism.md

`make open-data` unpacks both archives. Figures and `realism.json` go to `figures/` beside the page: aggregates only, no
recording is copied.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from jinja2 import Environment, StrictUndefined

from vimu.contracts import Rejection
from vimu.evaluation.realism_figures import draw_spectra
from vimu.evaluation.realism_results import CADENCE_HZ, WORN, Results, reference_results, walking_results
from vimu.runtime.errors import EXIT_USER, UserError

DIGITS = 4
"""Significant digits of the numbers kept."""


def rounded(value: Any) -> Any:
    """Nested results with every float to `DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def render_page(results: Results) -> str:
    """`docs/realism.md` from the numbers."""
    template = files("vimu.evaluation").joinpath("realism.md.j2").read_text(encoding="utf-8")
    environment = Environment(  # noqa: S701 (Markdown of our own numbers and names)  # nosec B701
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["places"] = lambda value, n: f"{value:.{n}f}"
    environment.filters["each"] = lambda values, n: " / ".join(f"{value:.{n}f}" for value in values)
    return environment.from_string(template).render(**results, worn=WORN, cadence=CADENCE_HZ)


def write_page(results: Results, page: Path) -> None:
    """The page, its figures and its numbers."""
    figures = page.parent / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    normal = "virtual, normal"
    draw_spectra(figures / "realism-umafall.png", results["umafall"], ("UMAFall", normal, f"{normal}, {WORN}"), 10)
    opensense = ("OpenSense, 100 Hz", "OpenSense, as 30 fps see it", normal)
    draw_spectra(figures / "realism-opensense.png", results["opensense"], opensense, 15)
    (figures / "realism.json").write_text(json.dumps(results, indent=None) + "\n", encoding="utf-8")
    page.write_text(render_page(results), encoding="utf-8")


def main(
    write: Annotated[Path, typer.Option(help="The page to write.")],
    data: Annotated[Path, typer.Option(envvar="VIMU_DATA", help="Folder that holds imu_fullbody_orientation.")] = Path(
        "../shared/data"
    ),
    bandai: Annotated[Path, typer.Option(help="Unpacked Bandai-Namco clips.")] = Path("data/bandai"),
    umafall: Annotated[Path, typer.Option(help="Unpacked UMAFall.")] = Path("data/umafall/UMAFall_Dataset"),
) -> None:
    """Compare virtual with real sensors and write the page."""
    try:
        results = rounded(reference_results(data) | walking_results(data, bandai, umafall))
    except (UserError, Rejection) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USER) from None
    write_page(results, write)
    typer.echo(f"{write} and figures in {write.parent / 'figures'}")


if __name__ == "__main__":
    typer.run(main)

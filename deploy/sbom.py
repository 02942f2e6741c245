"""`python -m deploy.sbom` writes runs/sbom.json: every pinned package and its licence, as CycloneDX 1.6."""

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from deploy.dependencies import ROOT, dependencies
from packageurl import PackageURL

from vimu import __version__

FILE = ROOT / "runs" / "sbom.json"


def bill() -> Bom:
    """vimu and what it is installed with; each package's description names the extras that lead to it."""
    licences = LicenseFactory()
    about = Component(
        name="vimu", version=__version__, type=ComponentType.APPLICATION, bom_ref="vimu",
        licenses=[licences.make_from_string("Apache-2.0")],
    )  # fmt: skip
    bom = Bom()
    bom.metadata.component = about
    parts = [
        Component(
            name=d.name, version=d.version, type=ComponentType.LIBRARY, bom_ref=f"{d.name}=={d.version}",
            purl=PackageURL("pypi", name=d.name, version=d.version), licenses=[licences.make_from_string(d.licence)],
            description=f"wanted by: {', '.join(d.wanted_by)}",
        )
        for d in dependencies()
    ]  # fmt: skip
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(about, parts)
    return bom


def main() -> None:
    text = make_outputter(bill(), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text, encoding="utf-8")
    print(f"wrote {FILE.relative_to(ROOT)}: {len(dependencies())} packages")


if __name__ == "__main__":
    main()

"""`python -m deploy.sbom FILE`: every pinned package and its licence as a CycloneDX 1.6 bill of materials, in JSON."""

import sys
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from deploy.dependencies import ROOT, dependencies
from packageurl import PackageURL

from vimu import __version__


def bill() -> Bom:
    """vimu and what it is installed with; a package that only some extras want is `optional` by a property."""
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
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs" / "sbom.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = make_outputter(bill(), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    file.write_text(text, encoding="utf-8")
    print(f"wrote {file}: {len(dependencies())} packages")


if __name__ == "__main__":
    main()

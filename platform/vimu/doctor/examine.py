"""All checks of one configuration, in the order in which a run would need them."""

from vimu.doctor.check import Check
from vimu.doctor.machine import exporter, machine
from vimu.doctor.mocap import mocap, mocap_bytes
from vimu.doctor.recorded import recorded
from vimu.stages.config import Config


def examine(config: Config) -> list[Check]:
    """Look at versions, disk, and every path that the configuration names.

    Files are listed and counted; a sample of them is opened, and each body model.

    Raises:
        UserError: the configuration names an archive or a recording set that is not known.
    """
    has_mocap = config.synthesize is not None and (config.prepare is None or config.prepare.clips is None)
    checks = list(machine(config.runs_dir, mocap_bytes(config) if has_mocap else 0))
    if config.prepare is not None and config.export is not None:
        checks.append(exporter())
    if has_mocap:
        checks += mocap(config)
    if config.prepare is not None:
        checks += recorded(config)
    return checks

"""All checks, in the order in which their findings are told."""

from collections.abc import Mapping
from typing import Final

from gnomon.operations.doctor import kafka, keeping, machine
from gnomon.operations.doctor.findings import Check

CHECKS: Final[Mapping[str, Check]] = {
    "settings": machine.settings_names,
    "versions": machine.versions,
    "compiled": machine.compiled,
    "java": machine.java,
    "disk": machine.disk,
    "broker": kafka.broker,
    "topics": kafka.topics,
    "clock": kafka.clock,
    "certificates": kafka.certificates,
    "key": keeping.key,
    "store": keeping.store,
    "registry": keeping.registry,
}
"""Each check by the name that its findings carry."""

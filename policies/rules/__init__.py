"""The rules of the policy pack, one module per family. They need neither Pulumi nor AWS."""

from . import access, data, network, tasks
from .resource import Rule

RULES: tuple[Rule, ...] = (*access.RULES, *data.RULES, *network.RULES, *tasks.RULES)

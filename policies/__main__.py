"""The policy pack: `pulumi preview --policy-pack policies`. The rules are in policies/rules."""

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError
from rules import RULES  # type: ignore[import-not-found]  # this folder is on the path of the pack's process
from rules.resource import Resource, Rule  # type: ignore[import-not-found]


def policy(rule: Rule) -> ResourceValidationPolicy:
    """Return a rule in the form of the SDK."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type not in rule.types:
            return
        try:
            resource = Resource(args.resource_type, dict(args.props), is_protected=bool(args.opts.protect))
            violations = list(rule.check(resource))
        except UnknownValueError:
            # Of a preview; the deployment checks it before the resource is created.
            args.not_applicable("the value is known only during the deployment")
            return
        for message in violations:
            report(message)

    return ResourceValidationPolicy(name=rule.name, description=rule.description, validate=validate)


PolicyPack(
    "story-tts",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[policy(rule) for rule in RULES],
)

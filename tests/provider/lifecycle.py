"""The life of one configuration in the provider's hands, from an empty account to an empty account."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.platform import client, lay_platform
from tests.e2e.standin.aws import Aws
from tests.provider.configurations import CONFIGURATIONS, Configuration
from tests.provider.emulator import corrected_moto
from tests.provider.journal import dump
from tests.provider.references import ReferenceRecorder
from tests.provider.terraform import Plan, Terraform, TerraformError, provider_folder
from tests.provider.terraform_json import Translator
from tests.stack.recording import record_with

SERVICES = (
    *("applicationautoscaling", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs", "iam", "kms", "logs"),
    *("route53", "s3", "servicediscovery", "sns", "sqs", "sts"),
)
LOOKED_UP = ("dynamodb", "ec2", "ecr", "sts")
DEPLOYED = {"aws_ecs_service.service": "update", "aws_ecs_task_definition.task": "replace"}


class Life:
    """One configuration, its emulated account and its folder."""

    def __init__(self, configuration: Configuration, *, cloud: str, terraform: Terraform) -> None:
        self._terraform = terraform
        self._cloud = cloud
        self._settings = configuration.settings
        self._change = configuration.change
        self._schema = terraform.schema()
        self._story_infra = {} if configuration.own_platform else lay_platform(cloud).outputs

    def live(self) -> None:
        """Go through all steps, printing each. Raises TerraformError, AssertionError."""
        self._declare({"app_image_tag": "v1"})
        self._terraform.validate()
        planned = self._terraform.plan()
        assert set(planned.changes.values()) == {"create"}, planned.changes
        report("planned", len(planned.changes))
        report("applied", self._terraform.apply(step="create"))
        again = self._terraform.plan()
        report("second plan", describe(again))
        self._declare({"app_image_tag": "v2"})
        tagged = self._terraform.plan()
        report("new image tag", describe(tagged))
        self._terraform.apply(step="update")
        self._declare({"app_image_tag": "v2", **self._change})
        report("other settings", describe(self._terraform.plan()))
        self._terraform.apply(step="update")
        last = self._terraform.plan()
        report("plan after that", describe(last))
        self._use()
        report("destroyed", self._terraform.destroy())
        called = {
            name for steps in self._terraform.called.values() for names in steps.values() for name in names
        }
        report("API calls", f"{self._terraform.requests} of {len(called)} operations")
        assert (again.changes, last.changes) == ({}, {}), "a plan without a change is not empty"
        assert tagged.changes == DEPLOYED, "a new image tag changes other resources"

    def _declare(self, change: Mapping[str, Any]) -> None:
        """Run the program with changed settings, and write what it declares as Terraform's configuration."""
        aws = Aws(region="us-east-1", endpoints=dict.fromkeys(LOOKED_UP, self._cloud))
        recorder = ReferenceRecorder(aws=aws, story_infra=self._story_infra)
        settings = {name: value for name, value in {**self._settings, **change}.items() if value is not None}
        translator = Translator(self._schema, record_with(recorder, settings))
        self._terraform.configure(
            {
                "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
                "provider": {"aws": self._provider()},
                "data": translator.data_sources(recorder.looked_up),
                "resource": translator.resources(),
            }
        )

    def _use(self) -> None:
        """Register a task's address, which has to be deleted before the service of Cloud Map."""
        names = client(self._cloud, "servicediscovery")
        for service in names.list_services()["Services"]:
            address = {"AWS_INSTANCE_IPV4": "10.0.0.1"}
            names.register_instance(ServiceId=service["Id"], InstanceId="task", Attributes=address)

    def _provider(self) -> dict[str, Any]:
        # S3 Control's host begins with the account: no name of this machine, so it is reached by the proxy.
        endpoints = {**dict.fromkeys(SERVICES, self._cloud), "s3control": "http://s3control.test"}
        return {
            "region": "us-east-1",
            "access_key": "local",
            "secret_key": "local",
            "skip_metadata_api_check": True,
            "s3_use_path_style": True,
            "max_retries": 2,
            "http_proxy": self._cloud,
            "https_proxy": "",
            "endpoints": [endpoints],
        }


def describe(plan: Plan) -> str:
    """Say what a plan would change."""
    if not plan.changes:
        return "no change"
    if len(plan.changes) > 8:
        counts = {action: plan.count(action) for action in sorted(set(plan.changes.values()))}
        return ", ".join(f"{count} {action}" for action, count in counts.items())
    return ", ".join(f"{action} {address}" for address, action in sorted(plan.changes.items()))


def report(step: str, result: object) -> None:
    """Print one line of the report."""
    print(f"  {step:<16} {result}", flush=True)


def main(name: str, folder: Path) -> int:
    """Run one configuration; return the exit code."""
    terraform = Terraform(folder, provider_folder())
    with corrected_moto() as cloud:
        try:
            Life(CONFIGURATIONS[name], cloud=cloud, terraform=terraform).live()
        except (AssertionError, TerraformError) as error:
            report("failed", error)
            return 1
        finally:
            (folder / "journal.json").write_text(dump(terraform.called))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))

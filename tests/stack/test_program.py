"""The program as a whole: previews, names, tags, what is protected, what it asks before it acts."""

import sys
import time
from pathlib import Path
from typing import Any

import pulumi
import pytest

from stack.config import Settings
from tests.stack.recording import Recording, record

ROOT = Path(__file__).resolve().parents[2]
RUN_SECS = 3

# Each setting away from its default, so that no branch of the program goes without a run.
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "own": {"story_infra": {"source": "own"}},
    "own-nat": {"story_infra": {"source": "own"}, "network": {"endpoints": "nat"}},
    "foundation": {"story_infra": {"source": "own"}, "features": {"service": False}},
    "endpoints": {"network": {"endpoints": "create"}},
    "nat": {"network": {"endpoints": "nat"}},
    "exec": {"features": {"exec": True}},
    "lent-roles": {"features": {"roles": "story_infra"}},
    "unprotected": {"features": {"protect": False}},
    "to-zero": {"scaling": {"to_zero": True}},
    "unscaled": {"scaling": {"enabled": False}},
    "spot": {"spot": {"spot_weight": 1}},
    "blue-green": {"deployment": {"strategy": "blue_green"}},
    "existing-tag": {"image": {"existing_tag": "v1"}},
    "existing-digest": {"image": {"existing_digest": "sha256:" + "1" * 64}},
    "existing-repository": {"image": {"repository": "existing"}},
    "no-cache": {"image": {"cache": False}},
    "topic": {"monitoring": {"create_topic": True, "emails": ["a@example.com"]}},
    "storage": {"storage": {"versioning": True, "lifecycle": True, "replica_region": "eu-west-1"}},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_runs_in_both_modes(variant: str) -> None:
    """A preview, with what is not yet known, declares the same resources as an up."""
    up, preview = (record(VARIANTS[variant], preview=mode) for mode in (False, True))
    declared = {(item.type, item.name) for item in preview.resources}
    assert declared == {(item.type, item.name) for item in up.resources}


def test_a_run_of_the_program_is_quick() -> None:
    """Under 3 s of processor time, so that every setting can be tried; most of it is Pulumi's own."""
    began = time.process_time()
    record()
    assert time.process_time() - began < RUN_SECS


def test_the_defaults_declare_this_and_no_more(plain: Recording) -> None:
    """The inventory of a default stack; a resource more or less is a decision, not an accident."""
    kinds: dict[str, int] = {}
    for item in plain.resources:
        if item.custom:
            kinds[item.type] = kinds.get(item.type, 0) + 1
    assert kinds == {
        "aws:appautoscaling/policy:Policy": 2,
        "aws:appautoscaling/target:Target": 1,
        "aws:cloudwatch/dashboard:Dashboard": 1,
        "aws:cloudwatch/logGroup:LogGroup": 1,
        "aws:cloudwatch/metricAlarm:MetricAlarm": 6,
        "aws:ec2/securityGroup:SecurityGroup": 2,
        "aws:ecr/lifecyclePolicy:LifecyclePolicy": 1,
        "aws:ecr/repository:Repository": 1,
        "aws:ecr/repositoryPolicy:RepositoryPolicy": 1,
        "aws:ecs/service:Service": 1,
        "aws:ecs/taskDefinition:TaskDefinition": 1,
        "aws:iam/role:Role": 2,
        "aws:iam/rolePolicy:RolePolicy": 7,
        "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": 1,
        "aws:servicediscovery/service:Service": 1,
        "aws:sqs/queue:Queue": 1,
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": 6,
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": 2,
        "docker-build:index:Image": 1,
        "docker-build:index:Index": 1,
    }


def test_every_resource_has_a_parent(own: Recording) -> None:
    """Only components stand at the root, so that a preview reads like the picture in the documentation."""
    orphans = [
        item.name
        for item in own.resources
        if item.custom and own.options[f"{item.type} {item.name}"].parent is None
    ]
    assert orphans == []


def test_everything_that_can_be_tagged_is(own: Recording) -> None:
    """Application, environment, stack and manager stand on every resource that takes tags."""
    for item in own.resources:
        if "tags" not in item.inputs or item.type == "docker-build:index:Image":
            continue
        tags = item.inputs["tags"]
        assert {key: tags[key] for key in ("Application", "Environment", "ManagedBy", "Stack")} == {
            "Application": "story-tts",
            "Environment": "production",
            "ManagedBy": "pulumi",
            "Stack": "test",
        }
        assert tags["Name"]


UNTAGGED = {
    # These types take no tags at AWS.
    "aws:appautoscaling/policy:Policy",
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy",
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:sns/topicSubscription:TopicSubscription",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:sqs/redrivePolicy:RedrivePolicy",
    "docker-build:index:Index",
}


def test_nothing_taggable_is_left_out(own: Recording) -> None:
    """A resource without tags is of a type that has none."""
    assert {item.type for item in own.resources if item.custom and "tags" not in item.inputs} == UNTAGGED


def test_another_name_is_another_deployment() -> None:
    """No physical name of a second deployment collides with the first's."""

    def names(app: str) -> set[str]:
        run = record({"app_name": app, "ecr_repository_name": app, "story_infra": {"source": "own"}})
        return {
            str(item.inputs[key])
            for item in run.resources
            for key in ("name", "bucket", "dashboardName")
            # Grants are named within their role, and an index within its table.
            if key in item.inputs and not item.type.startswith("aws:iam/rolePolicy")
        }

    assert names("story-tts") & names("story-tts-b") == set()


PROTECTED = {
    "aws:ecr/repository:Repository repository",
    "aws:sqs/queue:Queue dead-letters",
    "aws:sqs/queue:Queue jobs",
    "aws:s3/bucket:Bucket media",
    "aws:dynamodb/table:Table tasks",
}


def test_what_holds_data_is_protected(own: Recording) -> None:
    """A destroy stops at the repository, the jobs, the letters, the media and the rows, unless protection is off."""
    assert {name for name, options in own.options.items() if options.protect} == PROTECTED
    off = record({"story_infra": {"source": "own"}, "features": {"protect": False}})
    assert {name for name, options in off.options.items() if options.protect} == set()


OUTPUTS = {
    "region",
    "image",
    "image_tag",
    "image_digest",
    "repository_url",
    "service_name",
    "task_definition_arn",
    "cluster_name",
    "queue_url",
    "dead_letter_queue_url",
    "table_name",
    "bucket_name",
    "log_group_name",
    "namespace",
    "dashboard_url",
    "alarm_topic_arn",
    "table_point_in_time_recovery",
}


def test_outputs_answer_an_operator(plain: Recording) -> None:
    """The names that make targets and workflows read."""
    assert set(plain.outputs) == OUTPUTS
    assert plain.outputs["dashboard_url"] == (
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards/dashboard/story-tts"
    )


def test_no_module_shadows_the_standard_library() -> None:
    """`main: stack` puts the folder first on the path: a queue.py there would break Python itself."""
    modules = {path.stem for path in (ROOT / "stack").glob("*.py")} - {"__init__", "__main__"}
    assert modules & set(sys.stdlib_module_names) == set()


def test_every_group_is_tried_away_from_its_default() -> None:
    """The variants above keep up with the settings: a new group needs a variant."""
    groups = {
        name
        for name, field in Settings.model_fields.items()
        if field.default.__class__.__module__ == "stack.config"
    }
    assert groups - {key for settings in VARIANTS.values() for key in settings} == {"worker"}


def test_bad_settings_declare_nothing() -> None:
    """A misspelt key ends the run before the first resource."""
    with pytest.raises(pulumi.RunError, match="memry"):
        record({"memry": "1"})

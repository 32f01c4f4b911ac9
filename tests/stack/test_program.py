"""The program as a whole: previews, inventory, names, tags, protection and outputs."""

import sys
from typing import Any

import pulumi
import pytest

from tests.stack.recording import Recording, record
from tests.tree import ROOT

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

# Each setting away from its default, so that no branch of the program goes without a run.
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "own": {"story_infra": {"source": "own"}},
    "own-nat": {"story_infra": {"source": "own"}, "network": {"endpoints": "nat"}},
    "foundation": {"story_infra": {"source": "own"}, "features": {"service": False}},
    "endpoints": {"network": {"endpoints": "create"}},
    "some-endpoints": {"network": {"endpoints": "create", "existing_endpoints": ["s3", "ecr.api"]}},
    "nat": {"network": {"endpoints": "nat"}},
    "exec": {"features": {"exec": True}},
    "bounded": {"permissions_boundary": "arn:aws:iam::123456789012:policy/boundary"},
    "secrets": {
        "worker": {
            "environment": {"READING_SPEED": "17"},
            "secrets": {
                "API_TOKEN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:api-AbCdEf:token::",
                "API_USER": "arn:aws:ssm:us-east-1:123456789012:parameter/story/user",
            },
            "secret_key_arns": [KEY],
        },
        "network": {"endpoints": "create"},
    },
    "scheduled": {
        "scaling": {
            "to_zero": True,
            "schedules": [
                {"cron": "0 7 ? * MON-FRI *", "timezone": "Europe/Berlin", "min_tasks": 1},
                {"cron": "0 19 ? * MON-FRI *", "timezone": "Europe/Berlin", "min_tasks": 0},
            ],
        }
    },
    "traced": {"tracing": {"endpoint": "http://collector.internal:4318", "cidr": "10.0.0.0/16"}},
    "events": {
        "events": {"bus": "default", "topic_arn": "arn:aws:sns:us-east-1:123456789012:events"},
        "network": {"endpoints": "create"},
    },
    "unbroken": {"deployment": {"circuit_breaker": "off", "roll_back_alarms": ["story-service-errors"]}},
    "lent-roles": {"features": {"roles": "story_infra"}},
    "unprotected": {"features": {"protect": False}},
    "to-zero": {"scaling": {"to_zero": True}},
    "paused": {"paused": True},
    "paused-to-zero": {"paused": True, "scaling": {"to_zero": True}},
    "unscaled": {"scaling": {"enabled": False}},
    "spot": {"spot": {"spot_weight": 1}},
    "blue-green": {"deployment": {"strategy": "blue_green"}},
    "existing-tag": {"image": {"existing_tag": "v1"}},
    "existing-digest": {"image": {"existing_digest": "sha256:" + "1" * 64}},
    "existing-repository": {"image": {"repository": "existing"}},
    "no-cache": {"image": {"cache": False}},
    "topic": {"monitoring": {"create_topic": True, "emails": ["a@example.com"]}},
    "encrypted": {
        "story_infra": {"source": "own"},
        "monitoring": {"create_topic": True},
        "storage": {"versioning": True, "replica_region": "eu-west-1"},
        "encryption": {"key_arn": KEY, "replica_key_arn": KEY},
    },
    "own-storage": {
        "story_infra": {"source": "own"},
        "storage": {
            "versioning": True,
            "lifecycle": True,
            "replace_existing": True,
            "replica_region": "eu-west-1",
        },
    },
    "storage": {
        "storage": {
            "versioning": True,
            "lifecycle": True,
            "replace_existing": True,
            "replica_region": "eu-west-1",
        }
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_runs_in_both_modes(variant: str) -> None:
    """A preview, with unknown values, declares the same resources as an update."""
    up, preview = (record(VARIANTS[variant], preview=mode) for mode in (False, True))
    declared = {(item.type, item.name) for item in preview.resources}
    assert declared == {(item.type, item.name) for item in up.resources}


PARTS_OF_A_BUCKET = {
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_two_resources_are_one_at_aws(variant: str) -> None:
    """Two resources for the same part of a bucket would undo each other at every update."""
    parts = [
        (item.type, item.inputs["bucket"])
        for item in record(VARIANTS[variant]).resources
        if item.type in PARTS_OF_A_BUCKET
    ]
    assert sorted(parts) == sorted(set(parts))


def test_the_defaults_declare_this_and_no_more(plain: Recording) -> None:
    """The resources of a default stack, so that an added or lost resource is noticed."""
    kinds: dict[str, int] = {}
    for item in plain.resources:
        if item.custom:
            kinds[item.type] = kinds.get(item.type, 0) + 1
    assert kinds == {
        "aws:appautoscaling/policy:Policy": 2,
        "aws:appautoscaling/target:Target": 1,
        "aws:cloudwatch/dashboard:Dashboard": 1,
        "aws:cloudwatch/logGroup:LogGroup": 1,
        "aws:cloudwatch/metricAlarm:MetricAlarm": 7,
        "aws:ec2/securityGroup:SecurityGroup": 2,
        "aws:ecr/lifecyclePolicy:LifecyclePolicy": 1,
        "aws:ecr/repository:Repository": 1,
        "aws:ecr/repositoryPolicy:RepositoryPolicy": 1,
        "aws:ecs/service:Service": 1,
        "aws:ecs/taskDefinition:TaskDefinition": 1,
        "aws:iam/role:Role": 2,
        "aws:iam/rolePolicy:RolePolicy": 9,
        "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": 1,
        "aws:servicediscovery/service:Service": 1,
        "aws:sqs/queue:Queue": 1,
        "aws:sqs/queuePolicy:QueuePolicy": 1,
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": 6,
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": 2,
        "docker-build:index:Image": 1,
        "docker-build:index:Index": 1,
    }


def test_every_resource_has_a_parent(own: Recording) -> None:
    """Every resource belongs to a component."""
    orphans = [
        item.name
        for item in own.resources
        if item.custom and own.options[f"{item.type} {item.name}"].parent is None
    ]
    assert orphans == []


def test_everything_that_can_be_tagged_is(own: Recording) -> None:
    """Every resource with tags has the common ones."""
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
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sns/topicSubscription:TopicSubscription",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:sqs/redrivePolicy:RedrivePolicy",
    "docker-build:index:Index",
}


def test_nothing_taggable_is_left_out(own: Recording) -> None:
    """Resources without tags are of types that AWS cannot tag."""
    assert {item.type for item in own.resources if item.custom and "tags" not in item.inputs} == UNTAGGED


def test_another_name_is_another_deployment() -> None:
    """Two deployments with different names have no physical name in common."""

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
    """Resources that hold data are protected, unless protection is off."""
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
    "topic_arn",
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
    """The stack has the outputs that make targets and workflows use."""
    assert set(plain.outputs) == OUTPUTS
    assert plain.outputs["dashboard_url"] == (
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards/dashboard/story-tts"
    )


def test_no_module_shadows_the_standard_library() -> None:
    """`main: stack` puts the folder first on sys.path, so no module may have the name of a standard one."""
    modules = {path.stem for path in (ROOT / "stack").glob("*.py")} - {"__init__", "__main__"}
    assert modules & set(sys.stdlib_module_names) == set()


def test_bad_settings_declare_nothing() -> None:
    """Invalid settings end the run before any resource is declared."""
    with pytest.raises(pulumi.RunError, match="memry"):
        record({"memry": "1"})

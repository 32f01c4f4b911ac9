"""Least privilege: every action and resource of every role."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from stack.permissions import CONDITIONAL_WRITES, WILDCARD_ACTIONS
from tests.stack.recording import ACCOUNT, REGION, STORY_INFRA, Recording, record
from tests.stack.test_program import KEY, VARIANTS

POLICY = "aws:iam/rolePolicy:RolePolicy"
ROLE = "aws:iam/role:Role"

EVERYTHING = {
    "features": {"exec": True},
    "storage": {
        "versioning": True,
        "lifecycle": True,
        "replica_region": "eu-central-1",
        "replace_existing": True,
    },
    "worker": {"allowed_output_buckets": ["other-media"]},
}


def statements(run: Recording) -> dict[str, list[dict[str, Any]]]:
    """Policy name -> statements."""
    return {item.name: json.loads(item.inputs["policy"])["Statement"] for item in run.all(POLICY)}


def allowed(run: Recording) -> Iterator[tuple[str, str]]:
    """Every pair of an action and a resource that a role of the run allows."""
    for grant in statements(run).values():
        for statement in grant:
            assert statement["Effect"] == "Allow"
            yield from (
                (action, resource) for action in statement["Action"] for resource in statement["Resource"]
            )


def test_the_execution_role_pulls_and_logs(plain: Recording) -> None:
    """The execution role may pull from one repository and write to one log group."""
    grants = {name: grant for name, grant in statements(plain).items() if name.startswith("execution-")}
    assert grants == {
        "execution-pull-image": [
            {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]},
            {
                "Effect": "Allow",
                "Action": [
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                ],
                "Resource": [f"arn:aws:ecr:{REGION}:{ACCOUNT}:story-tts"],
            },
        ],
        "execution-write-logs": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:/ecs/story-tts:*"],
            }
        ],
    }


def test_the_task_role_does_the_workers_calls(plain: Recording) -> None:
    """The task role may use one queue, one dead-letter queue, one bucket, one table and task protection."""
    grants = {name: grant for name, grant in statements(plain).items() if name.startswith("task-")}
    assert grants == {
        "task-consume-jobs": [
            {
                "Effect": "Allow",
                "Action": [
                    "sqs:ChangeMessageVisibility",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "sqs:ReceiveMessage",
                ],
                "Resource": [STORY_INFRA["task_queue_arns"]["TTS"]],
            }
        ],
        "task-send-dead-letters": [
            {
                "Effect": "Allow",
                "Action": ["sqs:SendMessage"],
                "Resource": [f"arn:aws:sqs:{REGION}:{ACCOUNT}:story-tts-dead-letter"],
            }
        ],
        "task-write-media": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject"],
                "Resource": ["arn:aws:s3:::story-video-data/*"],
            },
            *[
                {
                    "Effect": "Allow",
                    "Action": ["s3:PutObject"],
                    "Resource": ["arn:aws:s3:::story-video-data/*"],
                    "Condition": condition,
                }
                for condition in CONDITIONAL_WRITES
            ],
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::story-video-data"]},
        ],
        "task-delete-segments": [
            {
                "Effect": "Allow",
                "Action": ["s3:DeleteObject"],
                "Resource": ["arn:aws:s3:::story-video-data/segments/*"],
            }
        ],
        "task-read-texts": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:GetObjectVersion"],
                "Resource": ["arn:aws:s3:::story-video-data/*"],
            },
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::story-video-data"]},
        ],
        "task-record-tasks": [
            {
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
                "Resource": [f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/story-video-tasks"],
            }
        ],
        "task-protect-task": [
            {
                "Effect": "Allow",
                "Action": ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"],
                "Resource": [f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/story-tts-cluster/*"],
            }
        ],
    }


def test_the_execution_role_reads_the_secrets_of_the_settings() -> None:
    """It may read the named secrets and parameters, and decrypt with their keys through these services."""
    (secret, parameter) = VARIANTS["secrets"]["worker"]["secrets"].values()
    through = {"kms:ViaService": [f"secretsmanager.{REGION}.amazonaws.com", f"ssm.{REGION}.amazonaws.com"]}
    assert statements(record(VARIANTS["secrets"]))["execution-read-secrets"] == [
        {
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue"],
            "Resource": [secret.removesuffix(":token::")],
        },
        {"Effect": "Allow", "Action": ["ssm:GetParameters"], "Resource": [parameter]},
        {
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [KEY],
            "Condition": {"StringEquals": through},
        },
    ]


def test_every_role_has_the_permissions_boundary() -> None:
    """Roles of the task, of an own platform and of replication have the boundary that the account demands."""
    everywhere = {"story_infra": {"source": "own"}, **EVERYTHING, **VARIANTS["bounded"]}
    roles = record(everywhere).all(ROLE)
    assert len(roles) == 5
    boundary = VARIANTS["bounded"]["permissions_boundary"]
    assert {item.inputs.get("permissionsBoundary") for item in roles} == {boundary}
    assert {item.inputs.get("permissionsBoundary") for item in record().all(ROLE)} == {None}


def meets(condition: dict[str, dict[str, str]], context: dict[str, str]) -> bool:
    """Whether a request's context meets a condition of Null and Bool operators."""
    operators = {
        "Null": lambda key, value: (key not in context) == (value == "true"),
        "Bool": lambda key, value: context.get(key) == value,
    }
    return all(
        operators[operator](key, value) for operator, keys in condition.items() for key, value in keys.items()
    )


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ({"s3:ObjectCreationOperation": "true"}, False),
        ({"s3:ObjectCreationOperation": "true", "s3:if-none-match": "*"}, True),
        ({"s3:ObjectCreationOperation": "true", "s3:if-match": "0a1b"}, True),
        # A part of an upload creates no object; its completion does.
        ({"s3:ObjectCreationOperation": "false"}, True),
    ],
)
def test_media_are_written_conditionally(plain: Recording, context: dict[str, str], allowed: bool) -> None:
    """A write that neither creates an object nor replaces a known one is refused by S3."""
    writes = [item for item in statements(plain)["task-write-media"] if "s3:PutObject" in item["Action"]]
    assert any(meets(item["Condition"], context) for item in writes) is allowed


TLS = {"Bool": {"aws:SecureTransport": "false"}}


def test_requests_without_tls_are_refused() -> None:
    """Every bucket, queue and topic of the stack denies them."""
    run = record(
        {
            "story_infra": {"source": "own"},
            "monitoring": {"create_topic": True},
            "storage": {"versioning": True, "replica_region": "eu-central-1"},
        }
    )
    kinds = {
        "aws:s3/bucket:Bucket": ("aws:s3/bucketPolicy:BucketPolicy", "bucket", "bucket"),
        "aws:sns/topic:Topic": ("aws:sns/topicPolicy:TopicPolicy", "arn", "name"),
        "aws:sqs/queue:Queue": ("aws:sqs/queuePolicy:QueuePolicy", "queueUrl", "name"),
    }
    for kind, (policy, of, name) in kinds.items():
        refusing = {
            re.split("[:/]", item.inputs[of])[-1]
            for item in run.all(policy)
            for statement in json.loads(item.inputs["policy"])["Statement"]
            if (statement["Effect"], statement["Principal"], statement["Condition"]) == ("Deny", "*", TLS)
        }
        assert refusing == {item.inputs[name] for item in run.all(kind)}


def test_alarms_may_publish_to_their_topic_only() -> None:
    """The topic policies let CloudWatch publish alarms of this account, and nothing to the topic of jobs."""
    run = record({"story_infra": {"source": "own"}, "monitoring": {"create_topic": True}})
    publishing = {
        item.name: (statement["Principal"], statement["Condition"])
        for item in run.all("aws:sns/topicPolicy:TopicPolicy")
        for statement in json.loads(item.inputs["policy"])["Statement"]
        if statement["Effect"] == "Allow"
    }
    account = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert publishing == {"alarm-topic-policy": ({"Service": "cloudwatch.amazonaws.com"}, account)}


def test_no_star_without_a_reason() -> None:
    """The actions allowed on `*` are exactly those in WILDCARD_ACTIONS."""
    starred = {action for action, resource in allowed(record(EVERYTHING)) if resource == "*"}
    assert starred == set(WILDCARD_ACTIONS)


def test_no_action_is_a_pattern() -> None:
    """No action contains a wildcard."""
    for source in (EVERYTHING, {**EVERYTHING, "story_infra": {"source": "own"}}):
        assert [action for action, _ in allowed(record(source)) if "*" in action] == []


def test_stars_inside_resources_are_the_known_ones() -> None:
    """A wildcard in a resource covers a bucket's objects, a log group's streams or a cluster's tasks."""
    patterns = sorted(
        {resource for _, resource in allowed(record(EVERYTHING)) if "*" in resource and resource != "*"}
    )
    assert patterns == sorted(
        [
            f"arn:aws:s3:{REGION}:{ACCOUNT}:story-video-data-eu-central-1/*",
            "arn:aws:s3:::other-media/*",
            "arn:aws:s3:::story-video-data/*",
            "arn:aws:s3:::story-video-data/segments/*",
            f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:/ecs/story-tts:*",
            f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/story-tts-cluster/*",
        ]
    )


def test_roles_are_for_ecs_in_this_account_only(plain: Recording, own: Recording) -> None:
    """Only ECS may assume the task's roles, and only for this account."""
    for run in (plain, own):
        for role in run.all(ROLE):
            assert json.loads(role.inputs["assumeRolePolicy"])["Statement"] == [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
                }
            ]


def test_the_two_roles_are_apart(plain: Recording) -> None:
    """The task definition names the execution role and the task role."""
    task = plain.one("aws:ecs/taskDefinition:TaskDefinition")
    assert (task["executionRoleArn"], task["taskRoleArn"]) == (
        f"arn:aws:iam::{ACCOUNT}:role/story-tts-execution",
        f"arn:aws:iam::{ACCOUNT}:role/story-tts-task",
    )


def test_story_infras_roles_by_setting() -> None:
    """With the platform's roles no role or policy is created."""
    run = record({"features": {"roles": "story_infra"}})
    task = run.one("aws:ecs/taskDefinition:TaskDefinition")
    assert (task["executionRoleArn"], task["taskRoleArn"]) == (
        STORY_INFRA["ecs_task_execution_role_arn"],
        STORY_INFRA["ecs_task_role_arn"],
    )
    assert run.names(ROLE) == []


def test_the_repository_lets_the_execution_role_pull(plain: Recording) -> None:
    """The repository policy lets the execution role pull, and nothing else."""
    policy = json.loads(plain.one("aws:ecr/repositoryPolicy:RepositoryPolicy")["policy"])
    assert policy["Statement"] == [
        {
            "Sid": "TaskExecutionRolePulls",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/story-tts-execution"},
            "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        }
    ]


def test_exec_is_granted_only_where_it_is_on() -> None:
    """The task role may open the channels of ECS Exec only if it is enabled."""
    assert statements(record({"features": {"exec": True}}))["task-exec"] == [
        {
            "Effect": "Allow",
            "Action": [
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ],
            "Resource": ["*"],
        }
    ]
    assert "task-exec" not in statements(record())


def test_other_buckets_are_granted_with_the_first() -> None:
    """The task role may write to every allowed output bucket."""
    grant = statements(record({"worker": {"allowed_output_buckets": ["other-media"]}}))["task-write-media"]
    assert grant[0]["Resource"] == ["arn:aws:s3:::story-video-data/*", "arn:aws:s3:::other-media/*"]
    assert grant[-1]["Resource"] == ["arn:aws:s3:::story-video-data", "arn:aws:s3:::other-media"]


@pytest.mark.parametrize("source", ["terraform", "own"])
def test_objects_are_deleted_below_segments_only(source: str) -> None:
    """Whatever is configured, the roles may delete segments of the output bucket, and no other object."""
    run = record(EVERYTHING if source == "terraform" else {**EVERYTHING, "story_infra": {"source": "own"}})
    deleting = {
        (action, resource.partition("/")[2])
        for action, resource in allowed(run)
        if action.startswith("s3:Delete")
    }
    assert deleting == {("s3:DeleteObject", "segments/*")}


def test_input_buckets_are_only_read() -> None:
    """The task role reads texts, in the version it saw first, from the output and the input buckets."""
    read, listed = statements(record({"worker": {"allowed_input_buckets": ["texts"]}}))["task-read-texts"]
    assert (read["Action"], read["Resource"]) == (
        ["s3:GetObject", "s3:GetObjectVersion"],
        ["arn:aws:s3:::story-video-data/*", "arn:aws:s3:::texts/*"],
    )
    assert (listed["Action"], listed["Resource"]) == (
        ["s3:ListBucket"],
        ["arn:aws:s3:::story-video-data", "arn:aws:s3:::texts"],
    )

"""The program under the real engine: what a preview, an up, a change and a destroy do to an account."""

import time
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from pulumi import automation

from ops.info import service_info
from tests.e2e.engine import Engine, StackUnderTest, Summary
from tests.e2e.platform import MISSING, PlatformInAws
from tests.stack.policies import action_of, deploys

# One process for the module (--dist loadfile): its tests follow one stack's life, in order.
pytestmark = pytest.mark.slow

SETTINGS: dict[str, Any] = {"features": {"protect": False}, "worker": {"speech_engine": "espeak"}}
LOOKS = ("Get", "Describe", "List")
SERVICE = {"cluster": "story-tts-cluster", "services": ["story-tts-service"]}


@pytest.fixture(scope="module")
def settings(story_infra: PlatformInAws) -> dict[str, Any]:
    """The settings of the stack that these tests bring up, change and destroy."""
    return {**SETTINGS, "story_infra": story_infra.settings}


@pytest.fixture(scope="module")
def stack(engine: Engine, settings: dict[str, Any]) -> StackUnderTest:
    """A stack over story-infra's Terraform state."""
    return engine.stack("life", settings)


@pytest.fixture(scope="module")
def previewed(stack: StackUnderTest) -> Summary:
    """The first preview, over an empty account."""
    return stack.preview()


@pytest.fixture(scope="module")
def up(stack: StackUnderTest, previewed: Summary) -> Summary:
    """The first up."""
    assert set(previewed.changes) == {"create"}
    return stack.up()


def test_a_preview_creates_what_the_up_will(previewed: Summary, up: Summary) -> None:
    """The engine counts the same resources before and after, and nothing exists in between."""
    assert up.changes == previewed.changes


def test_the_account_holds_what_was_asked_for(story_infra: PlatformInAws, up: Summary) -> None:
    """The service of story-infra's cluster runs the task definition, on the private network."""
    ecs = story_infra.client("ecs")
    (service,) = ecs.describe_services(**SERVICE)["services"]
    assert service["taskDefinition"] == up.outputs["task_definition_arn"]
    assert (
        service["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
        == story_infra.outputs["private_subnet_ids"]
    )
    assert service["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    (container,) = task["containerDefinitions"]
    assert container["image"] == up.outputs["image"]
    assert container["image"].endswith("@" + up.outputs["image_digest"])


def test_outputs_are_those_of_the_account(story_infra: PlatformInAws, up: Summary) -> None:
    """Computed outputs are AWS's answers: the dead-letter queue exists at its URL."""
    sqs = story_infra.client("sqs")
    attributes = sqs.get_queue_attributes(
        QueueUrl=up.outputs["dead_letter_queue_url"], AttributeNames=["All"]
    )["Attributes"]
    assert attributes["MessageRetentionPeriod"] == "1209600"
    assert up.outputs["queue_url"] == story_infra.outputs["task_queue_urls"]["TTS"]
    assert up.outputs["table_point_in_time_recovery"] is False


def test_groups_hold_their_rules_and_no_others(story_infra: PlatformInAws, up: Summary) -> None:
    """AWS opens a new group to everywhere; only the rules of the program are left."""
    assert up.changes
    ec2 = story_infra.client("ec2")
    (group,) = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["story-tts-app"]}])[
        "SecurityGroups"
    ]
    (way_in,) = group["IpPermissions"]
    assert (way_in["FromPort"], way_in["UserIdGroupPairs"][0]["GroupId"]) == (
        8000,
        story_infra.outputs["ecs_tasks_security_group_id"],
    )
    out = {(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in group["IpPermissionsEgress"]}
    assert out == {("tcp", 443, 443), ("tcp", 53, 53), ("udp", 53, 53)}


def test_info_answers_an_operator(
    engine: Engine, story_infra: PlatformInAws, up: Summary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Service, tasks, image, queue, dead letters, dashboard, last log lines, by the stack's outputs."""
    for name, value in engine.environment.items():
        monkeypatch.setenv(name, value)
    story_infra.client("sqs").send_message(QueueUrl=up.outputs["dead_letter_queue_url"], MessageBody="{}")
    story_infra.client("sqs").send_message(QueueUrl=up.outputs["queue_url"], MessageBody="{}")
    logs = story_infra.client("logs")
    stream = {"logGroupName": up.outputs["log_group_name"], "logStreamName": "ecs/story-tts/1"}
    logs.create_log_stream(**stream)
    now = int(time.time() * 1000)
    logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": "narrated"}])

    told = list(service_info(up.outputs))

    facts = {line.split()[0]: line for line in told}
    assert facts["service"] == "service       story-tts-service on story-tts-cluster, active"
    assert facts["tasks"].endswith("1 desired")
    assert up.outputs["image"] in facts["image"]
    assert facts["queue"] == "queue         1 waiting, 0 in work"
    assert facts["dead"].startswith("dead letters  1   list them: story-tts dead-letters")
    assert told[-1].endswith("narrated")
    story_infra.client("sqs").purge_queue(QueueUrl=up.outputs["queue_url"])


def test_a_second_up_changes_nothing(stack: StackUnderTest, up: Summary) -> None:
    """The same settings over the same account change nothing."""
    again = stack.up()
    assert (again.changed, again.outputs) == ({}, up.outputs)


def test_a_new_tag_moves_the_image_the_task_and_the_service_only(
    stack: StackUnderTest, settings: dict[str, Any], up: Summary
) -> None:
    """A deployment registers a task definition, updates the service and moves the running tag, no more."""
    stack.set({**settings, "app_image_tag": "v2"})
    done = stack.up()
    # The image and its running tag and the service in place; the task definition by a new revision.
    assert done.changed == {"update": 3, "replace": 1}
    assert done.outputs["image_tag"] == "v2"
    assert done.outputs["image_digest"] != up.outputs["image_digest"]
    assert done.outputs["task_definition_arn"] != up.outputs["task_definition_arn"]


def test_a_rollback_builds_nothing(stack: StackUnderTest, settings: dict[str, Any], up: Summary) -> None:
    """The first image is still in the repository, and its digest runs again."""
    stack.set({**settings, "image": {"existing_tag": up.outputs["image_tag"]}})
    done = stack.up()
    assert done.outputs["image_digest"] == up.outputs["image_digest"]
    # The image resource leaves the state, and its image stays in the registry.
    assert done.changed == {"delete": 1, "update": 2, "replace": 1}


@pytest.mark.usefixtures("stack")
def test_the_running_tag_follows(story_infra: PlatformInAws, up: Summary) -> None:
    """The tag that protects an image from the lifecycle policy is on the image that runs."""
    found = story_infra.client("ecr").describe_images(
        repositoryName="story-tts", imageIds=[{"imageTag": "running-story-tts"}]
    )
    assert found["imageDetails"][0]["imageDigest"] == up.outputs["image_digest"]


def test_a_missing_tag_is_an_error_that_names_it(stack: StackUnderTest, settings: dict[str, Any]) -> None:
    """A rollback to a tag that was never pushed stops before the service is touched."""
    stack.set({**settings, "image": {"existing_tag": "never-pushed"}})
    with pytest.raises(automation.CommandError, match="never-pushed"):
        stack.up()


def test_the_autoscalers_count_is_kept(
    story_infra: PlatformInAws, stack: StackUnderTest, settings: dict[str, Any]
) -> None:
    """An up while three tasks run leaves three tasks running."""
    ecs = story_infra.client("ecs")
    ecs.update_service(cluster="story-tts-cluster", service="story-tts-service", desiredCount=3)
    stack.set({**settings, "app_image_tag": "v3"})
    stack.up()
    (service,) = ecs.describe_services(**SERVICE)["services"]
    assert service["desiredCount"] == 3


def test_no_login_is_in_the_state_in_the_clear(stack: StackUnderTest) -> None:
    """The registry's token is a secret in the state, encrypted with the stack's own key."""
    assert stack.state()["resources"]
    assert ("auth-token" in stack.stored(), "ciphertext" in stack.stored()) == (False, True)


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "one output missing": ({"vpc_id": MISSING}, "vpc_id: missing in {place}; it must be a non-empty string"),
    "a wrong type": (
        {"task_queue_urls": "https://queue"},
        "task_queue_urls: in {place} it is 'https://queue'; it must be a map",
    ),
    "no subnets": (
        {"private_subnet_ids": []},
        "private_subnet_ids: in {place} it is []; it must be a non-empty list",
    ),
    "one zone": ({"zones": "aa"}, "private_subnet_ids: in {place} all of"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_foundation_touches_nothing(engine: Engine, story_infra: PlatformInAws, fault: str) -> None:
    """A broken state ends in one clear error with its remedy, and the account is unchanged."""
    changes, expected = BROKEN[fault]
    name = "broken-" + fault.replace(" ", "-")
    settings = story_infra.beside(name, **changes)
    broken = engine.stack(name, {"story_infra": settings})
    before = len(engine.called)
    with pytest.raises(automation.CommandError) as refused:
        broken.up()
    said = str(refused.value)
    place = f"s3://story-service-terraform-state/{settings['key']} (us-east-1)"
    assert expected.format(place=place) in " ".join(said.split())
    assert ("apply" in said, "Traceback" in said) == (True, False)
    assert [
        item["type"] for item in broken.state().get("resources", []) if not item["type"].startswith("pulumi:")
    ] == []
    called = engine.called[before:]
    assert [operation for operation in called if not operation.split(":")[1].startswith(LOOKS)] == []


def test_bad_settings_are_an_error_without_a_trace(engine: Engine, story_infra: PlatformInAws) -> None:
    """An operator sees each key and the YAML to write, not Python."""
    settings = {"cpu": "much", "scaling": {"max_taks": 3}, "story_infra": story_infra.settings}
    broken = engine.stack("misspelt", settings)
    with pytest.raises(automation.CommandError) as refused:
        broken.preview()
    said = str(refused.value)
    assert ("story-tts:scaling.max_taks: unknown setting" in said, "story-tts:cpu: Input" in said) == (
        True,
        True,
    )
    assert ("max_tasks: 4" in said, "story-tts:cpu: 1024" in said) == (True, True)
    assert "Traceback" not in str(refused.value)


def test_the_stand_in_is_strict(engine: Engine) -> None:
    """The stand-in refuses a property that the provider does not have, and a missing required one."""

    def misspelt() -> None:
        pulumi.CustomResource("aws:sqs/queue:Queue", "queue", {"name": "q", "visibilityTimeout": 5})

    def incomplete() -> None:
        pulumi.CustomResource("aws:ecs/taskDefinition:TaskDefinition", "task", {"family": "f"})

    def nested() -> None:
        aws.ecs.Service("service", deployment_circuit_breaker={"enable": True, "rolback": True})  # type: ignore[call-overload]

    for name, main, message in (
        ("strict-name", misspelt, "QueueArgs has no property visibilityTimeout"),
        ("strict-missing", incomplete, "TaskDefinitionArgs needs containerDefinitions"),
        ("strict-nested", nested, "ServiceDeploymentCircuitBreakerArgs has no property rolback"),
    ):
        with pytest.raises(automation.CommandError, match=message):
            engine.stack(name, {}, main).preview()


def test_destroy_leaves_what_story_infra_owns(
    story_infra: PlatformInAws, stack: StackUnderTest, settings: dict[str, Any]
) -> None:
    """The stack's resources are deleted; cluster, queue, bucket, table and subnets stay."""
    stack.set(settings)
    stack.up()
    stack.destroy()
    assert (
        story_infra.client("ecs").describe_clusters(clusters=["story-tts-cluster"])["clusters"][0]["status"]
        == "ACTIVE"
    )
    names = story_infra.client("ecr").describe_repositories()["repositories"]
    assert names == []
    story_infra.client("sqs").get_queue_attributes(QueueUrl=story_infra.outputs["task_queue_urls"]["TTS"])
    story_infra.client("s3").head_bucket(Bucket="story-video-data")
    story_infra.client("dynamodb").describe_table(TableName="story-video-tasks")
    remaining = story_infra.client("iam").list_roles()["Roles"]
    assert [role["RoleName"] for role in remaining if role["RoleName"].startswith("story-tts")] == []
    queues = story_infra.client("sqs").list_queues(QueueNamePrefix="story-tts").get("QueueUrls", [])
    assert queues == []


KEPT = {"app_name": "kept", "ecr_repository_name": "kept"}


@pytest.fixture
def protected(engine: Engine, story_infra: PlatformInAws) -> StackUnderTest:
    """A stack with protection on."""
    stack = engine.stack("kept", {**KEPT, "story_infra": story_infra.beside("kept")})
    stack.up()
    return stack


def test_a_protected_stack_refuses_to_go(protected: StackUnderTest) -> None:
    """The preview of a destroy stops at protected resources and names them; nothing is deleted."""
    before = len(protected.state()["resources"])
    with pytest.raises(automation.CommandError, match="protected") as refused:
        protected.preview_destroy()
    assert ("::dead-letters" in str(refused.value), "::repository" in str(refused.value)) == (True, True)
    assert len(protected.state()["resources"]) == before


EVERYTHING: dict[str, Any] = {
    "app_name": "everything",
    "ecr_repository_name": "everything",
    "network": {"endpoints": "create"},
    "spot": {"spot_weight": 1},
    "deployment": {"strategy": "blue_green"},
    "scaling": {"to_zero": True},
    "monitoring": {"create_topic": True, "emails": ["on-call@example.com"]},
    "storage": {
        "versioning": True,
        "lifecycle": True,
        "replica_region": "eu-central-1",
        "replace_existing": True,
    },
    "features": {"exec": True, "protect": False},
}


def test_every_option_goes_up_and_down(engine: Engine, story_infra: PlatformInAws) -> None:
    """With all options the stack is stable, leaves nothing behind, and needs the deploying role only."""
    before = len(engine.called)
    stack = engine.stack("everything", {**EVERYTHING, "story_infra": story_infra.beside("everything")})
    stack.up()
    assert stack.up().changed == {}
    stack.destroy()
    assert stack.state().get("resources", []) == []
    called = {action_of(line) for line in engine.called[before:]}
    assert {action for action in called if not deploys(action)} == set()

"""Task definition, service, logs, dead-letter queue and service discovery."""

import json
from typing import Any

import pulumi
import pytest

from tests.stack.recording import ACCOUNT, DIGEST, REGION, STORY_INFRA, Recording, record
from tests.stack.test_program import VARIANTS

TASK = "aws:ecs/taskDefinition:TaskDefinition"
SERVICE = "aws:ecs/service:Service"


def test_the_task_is_fargates_and_of_the_size_set(plain: Recording) -> None:
    """The task: Fargate, one vCPU, 2048 MiB, its own network interface."""
    task = plain.one(TASK)
    assert {
        key: task[key]
        for key in (
            "family",
            "cpu",
            "memory",
            "networkMode",
            "requiresCompatibilities",
            "runtimePlatform",
            "volumes",
        )
    } == {
        "family": "story-tts",
        "cpu": "1024",
        "memory": "2048",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "volumes": [{"name": "tmp"}],
    }


def test_the_container_is_this_and_no_more(plain: Recording) -> None:
    """The complete container definition without its environment."""
    container = dict(plain.container())
    del container["environment"]
    assert container == {
        "name": "story-tts",
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/story-tts@{DIGEST}",
        "essential": True,
        "entryPoint": ["story-tts"],
        "command": ["worker"],
        "user": "10001:10001",
        "readonlyRootFilesystem": True,
        "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}],
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        "stopTimeout": 120,
        "portMappings": [{"containerPort": 8000, "hostPort": 8000, "protocol": "tcp"}],
        "healthCheck": {
            "command": ["CMD", "story-tts", "health"],
            "interval": 30,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 120,
        },
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/ecs/story-tts",
                "awslogs-region": REGION,
                "awslogs-stream-prefix": "ecs",
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        },
    }


def test_the_environment_is_explicit_and_sorted(plain: Recording) -> None:
    """The environment is complete and sorted, so that its order never causes a deployment."""
    environment = plain.container()["environment"]
    told = {item["name"]: item["value"] for item in environment}
    assert told == {
        "AWS_REGION": REGION,
        "DEAD_LETTER_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/story-tts-dead-letter",
        "DYNAMODB_TABLE": "story-video-tasks",
        "KOKORO_VOICE": "af_heart",
        "LOG_LEVEL": "INFO",
        "OUTPUT_BUCKET": "story-video-data",
        "PORT": "8000",
        "QUEUE_URL": STORY_INFRA["task_queue_urls"]["TTS"],
        "SERVICE_NAME": "story-tts",
        "SNS_TOPIC_ARN": STORY_INFRA["sns_topic_arn"],
        "SPEECH_ENGINE": "kokoro",
        "STOP_TIMEOUT_SECS": "120",
    }
    assert [item["name"] for item in environment] == sorted(told)


def test_settings_reach_the_container() -> None:
    """The settings of task and worker reach the task definition."""
    run = record(
        {
            "cpu": 4096,
            "memory": 8192,
            "app_port": 9000,
            "image": {"platform": "linux/arm64"},
            "deployment": {"start_period_seconds": 240},
            "worker": {
                "speech_engine": "espeak",
                "voice": "en-us",
                "log_level": "DEBUG",
                "allowed_output_buckets": ["one-bucket", "two-bucket"],
                "allowed_input_buckets": ["texts"],
            },
        }
    )
    task, container = run.one(TASK), run.container()
    told = {item["name"]: item["value"] for item in container["environment"]}
    assert (task["cpu"], task["memory"], task["runtimePlatform"]["cpuArchitecture"]) == (
        "4096",
        "8192",
        "ARM64",
    )
    assert container["portMappings"] == [{"containerPort": 9000, "hostPort": 9000, "protocol": "tcp"}]
    assert container["healthCheck"]["startPeriod"] == 240
    assert {
        key: told[key]
        for key in (
            "PORT",
            "SPEECH_ENGINE",
            "KOKORO_VOICE",
            "LOG_LEVEL",
            "ALLOWED_OUTPUT_BUCKETS",
            "ALLOWED_INPUT_BUCKETS",
        )
    } == {
        "PORT": "9000",
        "SPEECH_ENGINE": "espeak",
        "KOKORO_VOICE": "en-us",
        "LOG_LEVEL": "DEBUG",
        "ALLOWED_OUTPUT_BUCKETS": "one-bucket,two-bucket",
        "ALLOWED_INPUT_BUCKETS": "texts",
    }


def test_further_variables_and_secrets_reach_the_container() -> None:
    """Variables by value and by secret, sorted; the task can reach the services that hold the secrets."""
    run = record(VARIANTS["secrets"])
    container, secrets = run.container(), VARIANTS["secrets"]["worker"]["secrets"]
    assert {"name": "READING_SPEED", "value": "17"} in container["environment"]
    assert container["secrets"] == [{"name": name, "valueFrom": secrets[name]} for name in sorted(secrets)]
    endpoints = run.names("aws:ec2/vpcEndpoint:VpcEndpoint")
    assert {"endpoint-secretsmanager", "endpoint-ssm"} <= set(endpoints)
    assert "secrets" not in record().container()


def test_without_a_topic_no_envelope_is_refused() -> None:
    """Without a topic SNS_TOPIC_ARN is not set."""
    infra = {key: value for key, value in STORY_INFRA.items() if key != "sns_topic_arn"}
    names = [item["name"] for item in record(story_infra=infra).container()["environment"]]
    assert "SNS_TOPIC_ARN" not in names


def test_the_service_runs_privately_and_rolls_back(plain: Recording) -> None:
    """The service: private subnets, no public address, rollback, no zone rebalancing."""
    service = dict(plain.one(SERVICE))
    del service["tags"], service["taskDefinition"]
    assert service == {
        "name": "story-tts-service",
        "cluster": "story-tts-cluster",
        "desiredCount": 1,
        "launchType": "FARGATE",
        "forceNewDeployment": True,
        "networkConfiguration": {
            "subnets": ["subnet-0a", "subnet-0b"],
            "securityGroups": ["app-group-id"],
            "assignPublicIp": False,
        },
        "serviceRegistries": {"registryArn": f"arn:aws:servicediscovery:{REGION}:{ACCOUNT}:story-tts"},
        "deploymentController": {"type": "ECS"},
        "deploymentConfiguration": {"strategy": "ROLLING"},
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        "deploymentMinimumHealthyPercent": 100,
        "deploymentMaximumPercent": 200,
        "alarms": {
            "alarmNames": ["story-tts-failed-jobs", "story-tts-memory"],
            "enable": True,
            "rollback": True,
        },
        "availabilityZoneRebalancing": "DISABLED",
        "enableExecuteCommand": False,
        "enableEcsManagedTags": True,
        "propagateTags": "SERVICE",
        "waitForSteadyState": True,
    }


def test_the_service_runs_the_task_definition_of_this_run(plain: Recording) -> None:
    """The service refers to a task definition by revision, so that ECS can roll back."""
    assert plain.one(SERVICE)["taskDefinition"] == f"arn:aws:ecs:{REGION}:{ACCOUNT}:task"


def test_the_autoscaler_owns_the_count(plain: Recording) -> None:
    """desired_count is left to auto scaling, or app_count without it."""
    assert plain.options[f"{SERVICE} service"].ignore_changes == ["desiredCount"]
    fixed = record({"scaling": {"enabled": False}, "app_count": 7})
    assert fixed.options[f"{SERVICE} service"].ignore_changes is None
    assert fixed.one(SERVICE)["desiredCount"] == 7


def test_a_service_that_may_go_to_zero_begins_there() -> None:
    """With to_zero the service starts without tasks."""
    assert record({"scaling": {"to_zero": True}}).one(SERVICE)["desiredCount"] == 0


def test_blue_green() -> None:
    """Blue/green has the configured bake time and no service registry, which ECS does not allow with it."""
    service = record({"deployment": {"strategy": "blue_green", "bake_minutes": 7}}).one(SERVICE)
    assert service["deploymentConfiguration"] == {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": "7"}
    assert "serviceRegistries" not in service


def test_spot_by_weight() -> None:
    """Capacity providers have the configured weights and replace the launch type."""
    service = record({"spot": {"spot_weight": 3, "fargate_weight": 1, "fargate_base": 1}}).one(SERVICE)
    assert service["capacityProviderStrategies"] == [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 3},
    ]
    assert "launchType" not in service
    assert service["forceNewDeployment"] is True


@pytest.mark.parametrize(
    ("deployment", "key", "expected"),
    [
        ({"wait_for_steady_state": False}, "waitForSteadyState", False),
        ({"roll_back_on_alarms": False}, "alarms", None),
    ],
)
def test_deployment_settings(deployment: dict[str, Any], key: str, expected: object) -> None:
    """Each deployment setting reaches the service."""
    assert record({"deployment": deployment}).one(SERVICE).get(key) == expected


def test_exec_is_off_unless_asked_for(plain: Recording) -> None:
    """ECS Exec and the writable root filesystem that it requires are off by default."""

    def opened(run: Recording) -> tuple[bool, bool]:
        return run.one(SERVICE)["enableExecuteCommand"], not run.container()["readonlyRootFilesystem"]

    assert opened(plain) == (False, False)
    assert opened(record({"features": {"exec": True}})) == (True, True)


def test_logs_are_kept_for_thirty_days(plain: Recording) -> None:
    """Log retention is configurable, and protected logs outlive the stack."""
    group = "aws:cloudwatch/logGroup:LogGroup"
    assert (plain.one(group)["name"], plain.one(group)["retentionInDays"]) == ("/ecs/story-tts", 30)
    assert plain.options[f"{group} logs"].retain_on_delete is True
    assert record({"monitoring": {"log_retention_days": 90}}).one(group)["retentionInDays"] == 90


def test_the_service_starts_after_its_grants_and_endpoints() -> None:
    """The service depends on policies and endpoints, without which the first task could not start."""
    run = record({"network": {"endpoints": "create"}})
    after = run.options[f"{SERVICE} service"].depends_on
    assert isinstance(after, list)
    names = {resource._name for resource in after}
    assert {
        "execution-pull-image", "execution-write-logs", "task-consume-jobs", "task-send-dead-letters",
        "task-write-media", "task-delete-segments", "task-read-texts", "task-record-tasks",
        "task-protect-task",
        "endpoint-ecr-api", "endpoint-ecr-dkr",
        "endpoint-logs", "endpoint-sqs", "endpoint-s3", "endpoint-dynamodb",
    } == names  # fmt: skip


def test_the_service_waits_for_the_clusters_capacity_providers() -> None:
    """On an own cluster the service exists only while the cluster has Fargate and Spot."""
    run = record({"story_infra": {"source": "own"}, "spot": {"spot_weight": 1}})
    after = run.options[f"{SERVICE} service"].depends_on
    assert isinstance(after, list)
    assert "cluster-capacity" in {resource._name for resource in after}


def test_a_deployment_may_take_longer_than_a_job() -> None:
    """The provider waits for busy tasks, which finish their jobs, instead of 20 minutes."""

    def timeouts(run: Recording) -> set[str | None]:
        timeouts = run.options[f"{SERVICE} service"].custom_timeouts
        assert isinstance(timeouts, pulumi.CustomTimeouts)
        return {timeouts.create, timeouts.update, timeouts.delete}

    assert timeouts(record()) == {"120m"}
    assert timeouts(record({"deployment": {"timeout_minutes": 300}})) == {"300m"}


@pytest.mark.parametrize(
    ("setting", "enable", "rollback"),
    [("roll_back", True, True), ("stop", True, False), ("off", False, False)],
)
def test_the_circuit_breaker_by_setting(setting: str, enable: bool, rollback: bool) -> None:
    """A deployment whose tasks do not start is rolled back, stopped, or tried on."""
    service = record({"deployment": {"circuit_breaker": setting}}).one(SERVICE)
    assert service["deploymentCircuitBreaker"] == {"enable": enable, "rollback": rollback}


def test_further_alarms_roll_back() -> None:
    """Existing alarms join the stack's own, or stand alone."""
    alarms = {"roll_back_alarms": ["story-service-errors"]}
    assert record({"deployment": alarms}).one(SERVICE)["alarms"]["alarmNames"] == [
        "story-tts-failed-jobs", "story-tts-memory", "story-service-errors",
    ]  # fmt: skip
    alone = record({"deployment": {**alarms, "roll_back_on_alarms": False}}).one(SERVICE)
    assert alone["alarms"]["alarmNames"] == ["story-service-errors"]


@pytest.mark.parametrize("strategy", ["rolling", "blue_green"])
def test_every_strategy_rolls_back(strategy: str) -> None:
    """The circuit breaker rolls back rolling and blue/green deployments."""
    service = record({"deployment": {"strategy": strategy}}).one(SERVICE)
    assert service["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}


def test_the_dead_letter_queue(plain: Recording, own: Recording) -> None:
    """The dead-letter queue is encrypted, keeps messages for 14 days, and an own queue redrives to it."""
    queue = plain.one("aws:sqs/queue:Queue")
    assert (queue["name"], queue["messageRetentionSeconds"], queue["sqsManagedSseEnabled"]) == (
        "story-tts-dead-letter",
        1209600,
        True,
    )
    assert plain.names("aws:sqs/redrivePolicy:RedrivePolicy") == []
    redrive = json.loads(own.one("aws:sqs/redrivePolicy:RedrivePolicy")["redrivePolicy"])
    assert redrive == {
        "deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:story-tts-dead-letter",
        "maxReceiveCount": 1000,
    }


def test_discovery(plain: Recording) -> None:
    """Tasks are found as story-tts.story-tts.local by short-lived A records."""
    namespace = plain.one("aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace")
    service = plain.one("aws:servicediscovery/service:Service")
    assert (namespace["name"], namespace["vpc"]) == ("story-tts.local", "vpc-0a")
    assert service["name"] == "story-tts"
    assert service["dnsConfig"] == {
        "namespaceId": "namespace-id",
        "routingPolicy": "MULTIVALUE",
        "dnsRecords": [{"type": "A", "ttl": 10}],
    }
    assert service["healthCheckCustomConfig"] == {"failureThreshold": 1}

"""
Changes one number or word of the stack at a time, in a copy of the tree, and shows which test then fails.

`python -m tests.stack.mutations` prints the table; it ends with 1 where a change was noticed by nobody. What
keeps the service safe, scaled and healthy is in the list; a new number belongs there too.
"""

import argparse
import sys

from tests.chaos.guards import Guard, tell

COPIED = (
    "app", "stack", "tests", "pyproject.toml", "Pulumi.yaml", "Pulumi.production.yaml", "Pulumi.staging.yaml",
    "Pulumi.local.yaml",
)  # fmt: skip

_NETWORK = "tests/stack/test_network.py"
_IAM = "tests/stack/test_iam.py"
_SERVICE = "tests/stack/test_service.py"
_SCALING = "tests/stack/test_scaling.py"
_MONITORING = "tests/stack/test_monitoring.py"
_IMAGE = "tests/stack/test_image.py"
_STORAGE = "tests/stack/test_storage.py"
_FOUNDATION = "tests/stack/test_foundation.py"
_CONFIG = "tests/stack/test_config.py"
_INFRA = "tests/stack/test_story_infra.py"
_PROGRAM = "tests/stack/test_program.py"

NETWORK = (
    Guard(
        "health checks come from the platform's tasks only",
        "stack/network.py",
        'app_port, ecs_tasks_group_id, "health',
        'app_port, self.app_group.id, "health',
        f"{_NETWORK}::test_only_the_platforms_tasks_come_in",
    ),
    Guard(
        "HTTPS is 443",
        "stack/network.py",
        "HTTPS_PORT = 443",
        "HTTPS_PORT = 80",
        f"{_NETWORK}::test_tasks_reach_aws_and_no_one_else",
    ),
    Guard(
        "DNS is 53",
        "stack/network.py",
        "DNS_PORT = 53",
        "DNS_PORT = 54",
        f"{_NETWORK}::test_tasks_reach_aws_and_no_one_else",
    ),
    Guard(
        "existing endpoints are in the VPC, not in the world",
        "stack/network.py",
        '_allow_https_out("vpc", vpc_cidr,',
        '_allow_https_out("vpc", "0.0.0.0/0",',
        f"{_NETWORK}::test_tasks_reach_aws_and_no_one_else",
    ),
    Guard(
        "the queue has an endpoint",
        "stack/network.py",
        '"ecr.dkr", "logs", "sqs")',
        '"ecr.dkr", "logs")',
        f"{_NETWORK}::test_endpoints_by_setting",
    ),
    Guard(
        "endpoints are behind their group",
        "stack/network.py",
        "security_group_ids=[group_id]",
        "security_group_ids=[]",
        f"{_NETWORK}::test_endpoints_by_setting",
    ),
    Guard(
        "AWS's names lead to the endpoints",
        "stack/network.py",
        "private_dns_enabled=True",
        "private_dns_enabled=False",
        f"{_NETWORK}::test_endpoints_by_setting",
    ),
    Guard(
        "tasks have no public address",
        "stack/service.py",
        "assign_public_ip=False",
        "assign_public_ip=True",
        f"{_SERVICE}::test_the_service_runs_privately_and_rolls_back",
    ),
)

IAM = (
    Guard(
        "roles are taken on for this account only",
        "stack/iam.py",
        '"aws:SourceAccount": account_id',
        '"aws:SourceAccount": "*"',
        f"{_IAM}::test_roles_are_for_ecs_in_this_account_only",
    ),
    Guard(
        "the worker may not empty the queue",
        "stack/granting.py",
        '"sqs:GetQueueAttributes",',
        '"sqs:GetQueueAttributes", "sqs:PurgeQueue",',
        f"{_IAM}::test_the_task_role_does_the_workers_calls",
    ),
    Guard(
        "the worker may not delete media",
        "stack/granting.py",
        'actions=["s3:GetObject", "s3:PutObject"]',
        'actions=["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]',
        f"{_IAM}::test_the_task_role_does_the_workers_calls",
    ),
    Guard(
        "the worker writes to one table",
        "stack/granting.py",
        'pulumi.Output.concat("table/", self.name)',
        '"table/*"',
        f"{_IAM}::test_the_task_role_does_the_workers_calls",
    ),
    Guard(
        "the worker protects tasks of its cluster only",
        "stack/service.py",
        'pulumi.Output.concat("task/", cluster_name, "/*")',
        '"task/*"',
        f"{_IAM}::test_stars_inside_resources_are_the_known_ones",
    ),
    Guard(
        "letters go to one queue",
        "stack/dead_letters.py",
        'Statement(actions=["sqs:SendMessage"], resources=[self.queue.arn])',
        'Statement(actions=["sqs:SendMessage"], resources=["*"])',
        f"{_IAM}::test_no_star_without_a_reason",
    ),
    Guard(
        "ECS writes to one log group",
        "stack/service.py",
        'resources=[pulumi.Output.concat(self.group.arn, ":*")]',
        'resources=["*"]',
        f"{_IAM}::test_the_execution_role_pulls_and_logs",
    ),
    Guard(
        "ECS pulls from one repository",
        "stack/image.py",
        "pull(self.arn)",
        'pull("*")',
        f"{_IAM}::test_the_execution_role_pulls_and_logs",
    ),
    Guard(
        "the repository admits one role",
        "stack/image.py",
        '"Principal": {"AWS": role_arn}',
        '"Principal": "*"',
        f"{_IAM}::test_the_repository_lets_the_execution_role_pull",
    ),
)

SERVICE = (
    Guard(
        "health every 30 s",
        "stack/service.py",
        "HEALTH_INTERVAL_SECONDS = 30",
        "HEALTH_INTERVAL_SECONDS = 60",
        f"{_SERVICE}::test_the_container_is_this_and_no_more",
    ),
    Guard(
        "5 s for a health check",
        "stack/service.py",
        "HEALTH_TIMEOUT_SECONDS = 5",
        "HEALTH_TIMEOUT_SECONDS = 50",
        f"{_SERVICE}::test_the_container_is_this_and_no_more",
    ),
    Guard(
        "three health checks may fail",
        "stack/service.py",
        "HEALTH_RETRIES = 3",
        "HEALTH_RETRIES = 10",
        f"{_SERVICE}::test_the_container_is_this_and_no_more",
    ),
    Guard(
        "120 s to stop",
        "stack/service.py",
        "STOP_TIMEOUT_SECONDS = 120",
        "STOP_TIMEOUT_SECONDS = 30",
        f"{_SERVICE}::test_the_container_is_this_and_no_more",
    ),
    Guard(
        "120 s for the models to load",
        "stack/config.py",
        "start_period_seconds: int = Field(default=120",
        "start_period_seconds: int = Field(default=0",
        f"{_SERVICE}::test_the_container_is_this_and_no_more",
    ),
    Guard(
        "the worker is not root",
        "stack/worker_contract.py",
        'USER = "10001:10001"',
        'USER = "0:0"',
        f"{_SERVICE}::test_the_container_is_this_and_no_more",
    ),
    Guard(
        "the container's root is read-only",
        "stack/service.py",
        '"readonlyRootFilesystem": not task.exec_enabled',
        '"readonlyRootFilesystem": False',
        f"{_SERVICE}::test_the_container_is_this_and_no_more",
    ),
    Guard(
        "no capabilities",
        "stack/service.py",
        '"capabilities": {"drop": ["ALL"]}',
        '"capabilities": {"drop": []}',
        f"{_SERVICE}::test_the_container_is_this_and_no_more",
    ),
    Guard(
        "no shell into tasks unasked",
        "stack/service.py",
        "enable_execute_command=service.exec_enabled",
        "enable_execute_command=True",
        f"{_SERVICE}::test_exec_is_off_unless_asked_for",
    ),
    Guard(
        "all tasks stay healthy through a deployment",
        "stack/service.py",
        "MINIMUM_HEALTHY_PERCENT = 100",
        "MINIMUM_HEALTHY_PERCENT = 0",
        f"{_SERVICE}::test_the_service_runs_privately_and_rolls_back",
    ),
    Guard(
        "a deployment has room for new tasks",
        "stack/service.py",
        "MAXIMUM_PERCENT = 200",
        "MAXIMUM_PERCENT = 100",
        f"{_SERVICE}::test_the_service_runs_privately_and_rolls_back",
    ),
    Guard(
        "a failed deployment rolls back",
        "stack/service.py",
        "enable=True, rollback=True\n            ),",
        "enable=True, rollback=False\n            ),",
        f"{_SERVICE}::test_the_service_runs_privately_and_rolls_back",
    ),
    Guard(
        "alarms roll a deployment back",
        "stack/service.py",
        "alarm_names=service.alarm_names, enable=True, rollback=True",
        "alarm_names=service.alarm_names, enable=True, rollback=False",
        f"{_SERVICE}::test_the_service_runs_privately_and_rolls_back",
    ),
    Guard(
        "zones are not evened out in the middle of a job",
        "stack/service.py",
        'availability_zone_rebalancing="DISABLED"',
        'availability_zone_rebalancing="ENABLED"',
        f"{_SERVICE}::test_the_service_runs_privately_and_rolls_back",
    ),
    Guard(
        "an up leaves the autoscaler's count",
        "stack/service.py",
        'ignore_changes=["desiredCount"] if service.scaled else None',
        "ignore_changes=None",
        f"{_SERVICE}::test_the_autoscaler_owns_the_count",
    ),
)

SCALING = (
    Guard(
        "two waiting messages a task",
        "stack/config.py",
        "backlog_per_task: int = Field(default=2",
        "backlog_per_task: int = Field(default=200",
        f"{_SCALING}::test_out_with_the_backlog",
    ),
    Guard(
        "four tasks at most",
        "stack/config.py",
        "max_tasks: int = Field(default=4",
        "max_tasks: int = Field(default=400",
        f"{_SCALING}::test_the_bounds",
    ),
    Guard(
        "the floor is app_count",
        "stack/scaling.py",
        "min_capacity=min_tasks",
        "min_capacity=0",
        f"{_SCALING}::test_the_bounds",
    ),
    Guard(
        "the backlog is tracked",
        "stack/scaling.py",
        'policy_type="TargetTrackingScaling"',
        'policy_type="StepScaling"',
        f"{_SCALING}::test_out_with_the_backlog",
    ),
    Guard(
        "tracking takes no task away",
        "stack/scaling.py",
        "disable_scale_in=True",
        "disable_scale_in=False",
        f"{_SCALING}::test_out_with_the_backlog",
    ),
    Guard(
        "the backlog is guarded for no task",
        "stack/metrics.py",
        '"IF(tasks > 0, visible / tasks, visible)"',
        '"visible / tasks"',
        f"{_SCALING}::test_out_with_the_backlog",
    ),
    Guard(
        "messages in work keep their tasks",
        "stack/metrics.py",
        '"tasks - visible - in_flight"',
        '"tasks - visible"',
        f"{_SCALING}::test_in_when_idle",
    ),
    Guard(
        "one task leaves at a time",
        "stack/scaling.py",
        "adjustment=-1",
        "adjustment=-4",
        f"{_SCALING}::test_in_when_idle",
    ),
    Guard(
        "ten idle minutes before a task leaves",
        "stack/config.py",
        "idle_minutes: int = Field(default=10",
        "idle_minutes: int = Field(default=2",
        f"{_SCALING}::test_in_when_idle",
    ),
    Guard(
        "the first task starts within a minute",
        "stack/scaling.py",
        "minutes=1,",
        "minutes=15,",
        f"{_SCALING}::test_the_first_task_starts_from_zero",
    ),
)

MONITORING = (
    Guard(
        "one dead letter rings",
        "stack/monitoring.py",
        "period=MINUTE,\n            evaluation_periods=1,\n            threshold=1,",
        "period=MINUTE,\n            evaluation_periods=1,\n            threshold=100,",
        f"{_MONITORING}::test_the_alarms",
    ),
    Guard(
        "an hour's wait rings",
        "stack/monitoring.py",
        "threshold=minutes * 60",
        "threshold=minutes * 3600",
        f"{_MONITORING}::test_the_alarms",
    ),
    Guard(
        "three failed jobs ring",
        "stack/config.py",
        "failed_jobs: int = Field(default=3",
        "failed_jobs: int = Field(default=30",
        f"{_MONITORING}::test_the_alarms",
    ),
    Guard(
        "90% of the memory rings",
        "stack/config.py",
        "memory_percent: int = Field(default=90",
        "memory_percent: int = Field(default=100",
        f"{_MONITORING}::test_the_alarms",
    ),
    Guard(
        "memory rings after three minutes",
        "stack/monitoring.py",
        "MEMORY_MINUTES = 3",
        "MEMORY_MINUTES = 30",
        f"{_MONITORING}::test_the_alarms",
    ),
    Guard(
        "work without a task rings after 15 minutes",
        "stack/monitoring.py",
        "STRANDED_MINUTES = 15",
        "STRANDED_MINUTES = 60",
        f"{_MONITORING}::test_work_that_no_task_takes",
    ),
    Guard(
        "alarms reach people",
        "stack/monitoring.py",
        "            alarm_actions=self._notified,\n",
        "            alarm_actions=[],\n",
        f"{_MONITORING}::test_an_existing_topic_is_told",
    ),
    Guard(
        "logs stay for 30 days",
        "stack/config.py",
        "log_retention_days: int = Field(default=30",
        "log_retention_days: int = Field(default=1",
        f"{_SERVICE}::test_logs_are_kept_for_thirty_days",
    ),
)

IMAGE = (
    Guard(
        "images are scanned",
        "stack/image.py",
        "scan_on_push=True",
        "scan_on_push=False",
        f"{_IMAGE}::test_the_repository",
    ),
    Guard(
        "tags do not move",
        "stack/image.py",
        '"IMMUTABLE_WITH_EXCLUSION"',
        '"MUTABLE"',
        f"{_IMAGE}::test_the_repository",
    ),
    Guard(
        "untagged images stay for 7 days",
        "stack/image.py",
        "UNTAGGED_DAYS = 7",
        "UNTAGGED_DAYS = 1",
        f"{_IMAGE}::test_the_clean_up",
    ),
    Guard(
        "the newest 30 images are kept",
        "stack/image.py",
        "TAGGED_IMAGES = 30",
        "TAGGED_IMAGES = 3",
        f"{_IMAGE}::test_the_clean_up",
    ),
    Guard(
        "the clean-up spares what runs",
        "stack/image.py",
        '"countNumber": 1000,',
        '"countNumber": 1,',
        f"{_IMAGE}::test_the_clean_up",
    ),
    Guard(
        "the service goes by digest",
        "stack/image.py",
        'pulumi.Output.concat(repository.url, "@", self.digest)',
        'pulumi.Output.concat(repository.url, ":", self.tag)',
        f"{_SERVICE}::test_the_container_is_this_and_no_more",
    ),
    Guard(
        "an image outlives its deployment",
        "stack/image.py",
        "opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True)",
        "opts=pulumi.ResourceOptions(parent=self)",
        f"{_IMAGE}::test_the_image_outlives_its_replacement",
    ),
    Guard(
        "the registry's login is a secret",
        "stack/image.py",
        "pulumi.Output.secret(token.password)",
        "token.password",
        f"{_IMAGE}::test_the_build",
    ),
)

STORAGE = (
    Guard(
        "letters stay for 14 days",
        "stack/dead_letters.py",
        "RETENTION_SECONDS = 14 *",
        "RETENTION_SECONDS = 4 *",
        f"{_SERVICE}::test_the_dead_letter_queue",
    ),
    Guard(
        "letters are encrypted",
        "stack/dead_letters.py",
        "sqs_managed_sse_enabled=True",
        "sqs_managed_sse_enabled=False",
        f"{_SERVICE}::test_the_dead_letter_queue",
    ),
    Guard(
        "letters are protected",
        "stack/dead_letters.py",
        "parent=self, protect=protect",
        "parent=self, protect=False",
        f"{_PROGRAM}::test_what_holds_data_is_protected",
    ),
    Guard(
        "the queue gives up after the worker",
        "stack/dead_letters.py",
        "RECEIVES_BEFORE_REDRIVE = 8",
        "RECEIVES_BEFORE_REDRIVE = 2",
        f"{_SERVICE}::test_the_dead_letter_queue",
    ),
    Guard(
        "noncurrent versions stay for 30 days",
        "stack/config.py",
        "noncurrent_days: int = Field(default=30",
        "noncurrent_days: int = Field(default=3",
        f"{_STORAGE}::test_lifecycle",
    ),
    Guard(
        "buckets are never public",
        "stack/storage.py",
        "block_public_policy=True",
        "block_public_policy=False",
        f"{_FOUNDATION}::test_media_are_private_and_kept",
    ),
    Guard(
        "deletions do not reach the replica",
        "stack/storage.py",
        'status="Disabled"',
        'status="Enabled"',
        f"{_STORAGE}::test_replication",
    ),
    Guard(
        "what holds data is protected by default",
        "stack/config.py",
        "    protect: bool = True",
        "    protect: bool = False",
        f"{_CONFIG}::test_default_groups",
    ),
)

FOUNDATION = (
    Guard(
        "two zones",
        "stack/foundation.py",
        "ZONES = 2",
        "ZONES = 1",
        f"{_FOUNDATION}::test_the_network_spans_two_zones",
    ),
    Guard(
        "subnets give no public address",
        "stack/foundation.py",
        "map_public_ip_on_launch=False",
        "map_public_ip_on_launch=True",
        f"{_FOUNDATION}::test_the_network_spans_two_zones",
    ),
    Guard(
        "only the topic sends jobs",
        "stack/foundation.py",
        '{"ArnEquals": {"aws:SourceArn": self.topic.arn}}',
        "{}",
        f"{_FOUNDATION}::test_jobs_come_through_the_topic_only",
    ),
    Guard(
        "the table can be restored",
        "stack/foundation.py",
        "TablePointInTimeRecoveryArgs(enabled=True)",
        "TablePointInTimeRecoveryArgs(enabled=False)",
        f"{_FOUNDATION}::test_the_table_is_the_contracts_and_can_be_restored",
    ),
    Guard(
        "the table refuses to be deleted",
        "stack/foundation.py",
        "deletion_protection_enabled=self._protect",
        "deletion_protection_enabled=False",
        f"{_FOUNDATION}::test_the_table_is_the_contracts_and_can_be_restored",
    ),
    Guard(
        "shared endpoints are open to the VPC only",
        "stack/foundation.py",
        "cidr_ipv4=self.vpc.cidr",
        'cidr_ipv4="0.0.0.0/0"',
        f"{_FOUNDATION}::test_a_foundation_alone_has_endpoints_for_the_services_to_come",
    ),
    Guard(
        "the platform's role pulls from this account only",
        "stack/foundation.py",
        'pull(self._account.arn("ecr", "repository/*"))',
        'pull("*")',
        f"{_FOUNDATION}::test_the_platforms_roles_reach_no_further",
    ),
    Guard(
        "story-infra's subnets are in two zones",
        "stack/story_infra.py",
        "if len(zones) > 1:",
        "if len(zones) > 0:",
        f"{_INFRA}::test_subnets_of_one_zone_are_refused",
    ),
    Guard(
        "an empty list of subnets is refused",
        "stack/story_infra.py",
        "isinstance(value, list) and bool(value) and all",
        "isinstance(value, list) and all",
        f"{_INFRA}::test_a_malformed_output_is_named",
    ),
    Guard(
        "sensitive outputs are secrets",
        "stack/story_infra.py",
        "pulumi.Output.secret(value) if output.sensitive else value",
        "value",
        f"{_INFRA}::test_sensitive_outputs_become_secrets",
    ),
)

MUTATIONS = (*NETWORK, *IAM, *SERVICE, *SCALING, *MONITORING, *IMAGE, *STORAGE, *FOUNDATION)


def main() -> int:
    """Print the table, a line a change as it is judged."""
    parser = argparse.ArgumentParser(prog="python -m tests.stack.mutations", description=__doc__)
    return tell(MUTATIONS, parser, heading="promise broken", copied=COPIED)


if __name__ == "__main__":
    sys.exit(main())

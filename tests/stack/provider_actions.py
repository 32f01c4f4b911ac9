"""What the policies of the deploying and the previewing role allow beside the provider's own calls.

The provider's calls are in tests/provider/journal.json, which `make test-provider` writes. This table has
what no call shows, from AWS's service authorization reference.
"""

from collections.abc import Mapping

# For a customer managed key; on the key they need the service, or the state's bucket, as their way.
USE_KEY = ("kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant")

# Checked with the call that creates or changes a resource, or called by the service in the caller's name.
IMPLIED: Mapping[str, tuple[str, ...]] = {
    "aws_appautoscaling_target": ("application-autoscaling:TagResource", "iam:CreateServiceLinkedRole"),
    "aws_cloudwatch_log_group": ("logs:AssociateKmsKey", "logs:DisassociateKmsKey", "logs:TagResource"),
    "aws_cloudwatch_metric_alarm": ("cloudwatch:TagResource",),
    "aws_dynamodb_table": ("dynamodb:TagResource", *USE_KEY),
    "aws_ecr_repository": ("ecr:TagResource", *USE_KEY),
    "aws_ecs_cluster": ("ecs:TagResource",),
    "aws_ecs_service": ("ecs:TagResource", "iam:CreateServiceLinkedRole"),
    "aws_ecs_task_definition": ("ecs:TagResource", "iam:PassRole"),
    "aws_iam_role": ("iam:TagRole",),
    # An own bucket that is not protected is emptied; moto keeps to its policy, which wants TLS.
    "aws_s3_bucket": ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions", "s3:TagResource"),
    "aws_s3_bucket_replication_configuration": ("iam:PassRole",),
    "aws_service_discovery_private_dns_namespace": (
        "ec2:DescribeRegions",
        "ec2:DescribeVpcs",
        "route53:CreateHostedZone",
        "route53:DeleteHostedZone",
        "route53:GetHostedZone",
        "route53:ListHostedZonesByName",
        "servicediscovery:TagResource",
    ),
    "aws_service_discovery_service": (
        "route53:ChangeResourceRecordSets",
        "servicediscovery:DeregisterInstance",
        "servicediscovery:TagResource",
    ),
    "aws_sns_topic": ("sns:TagResource",),
    "aws_sqs_queue": ("sqs:TagQueue",),
    "aws_vpc": ("ec2:CreateTags",),
    "aws_vpc_endpoint": ("route53:AssociateVPCWithHostedZone",),
}

# Updates that no configuration of `make test-provider` makes, but another setting or a later version may.
LATER = (
    "ec2:ModifySecurityGroupRules",
    "ec2:ModifySubnetAttribute",
    "ec2:ModifyVpcEndpoint",
    "ec2:ReplaceRoute",
    "ec2:ReplaceRouteTableAssociation",
    "ecr:PutImageScanningConfiguration",
    "ecr:PutImageTagMutability",
    "ecs:UpdateCluster",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
    "servicediscovery:UpdatePrivateDnsNamespace",
    "servicediscovery:UpdateService",
    "sns:SetSubscriptionAttributes",
)
# Tags that a later version no longer has.
UNTAG = {
    "CreateTags": "DeleteTags",
    "TagQueue": "UntagQueue",
    "TagResource": "UntagResource",
    "TagRole": "UntagRole",
}

# The image, which is no resource of the AWS provider. A preview builds with the cache, and pushes nothing but
# the cache's own manifest.
LOOK_AT_IMAGE = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
)
PUSH_IMAGE = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart")

# `image.existing_tag` and `image.repository: existing`, `make info`, `make logs` and `make scan`.
ASK = (
    "ecr:DescribeImages",
    "ecr:DescribeImageScanFindings",
    "logs:DescribeLogStreams",
    "logs:GetLogEvents",
)

# A smoke test of a deployed service, as a producer and reader of its media.
SMOKE = (
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
    "s3:GetObject",
    "sns:Publish",
    "sqs:SendMessage",
)

# `make scan`, for an image that nobody scanned yet.
SCAN = ("ecr:StartImageScan",)

# Terraform's state, and Pulumi's own where it lies in S3.
READ_STATE = ("kms:Decrypt", "kms:DescribeKey", "s3:GetObject", "s3:ListBucket")
KEEP_STATE = (*READ_STATE, "kms:GenerateDataKey", "s3:DeleteObject", "s3:PutObject")

"""What AWS's provider calls for each type that the program declares: to make it, and to look at it.

From the provider's sources and AWS's service authorization reference. The policies of the deploying and the
previewing role are held to this table, and the table to what the program declares.
"""

from collections.abc import Mapping

LOOK: Mapping[str, tuple[str, ...]] = {
    "aws:appautoscaling/policy:Policy": ("application-autoscaling:DescribeScalingPolicies",),
    "aws:appautoscaling/scheduledAction:ScheduledAction": (
        "application-autoscaling:DescribeScheduledActions",
    ),
    "aws:appautoscaling/target:Target": (
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:ListTagsForResource",
    ),
    "aws:cloudwatch/dashboard:Dashboard": ("cloudwatch:GetDashboard",),
    "aws:cloudwatch/logGroup:LogGroup": ("logs:DescribeLogGroups", "logs:ListTagsForResource"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"),
    "aws:dynamodb/table:Table": (
        "dynamodb:DescribeContinuousBackups",
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:ListTagsOfResource",
    ),
    "aws:ec2/eip:Eip": ("ec2:DescribeAddresses", "ec2:DescribeAddressesAttribute"),
    "aws:ec2/internetGateway:InternetGateway": ("ec2:DescribeInternetGateways",),
    "aws:ec2/natGateway:NatGateway": ("ec2:DescribeNatGateways",),
    "aws:ec2/route:Route": ("ec2:DescribeRouteTables",),
    "aws:ec2/routeTable:RouteTable": ("ec2:DescribeRouteTables",),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ("ec2:DescribeRouteTables",),
    "aws:ec2/securityGroup:SecurityGroup": ("ec2:DescribeSecurityGroups", "ec2:DescribeNetworkInterfaces"),
    "aws:ec2/subnet:Subnet": ("ec2:DescribeSubnets",),
    "aws:ec2/vpc:Vpc": ("ec2:DescribeVpcAttribute", "ec2:DescribeVpcs"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("ec2:DescribePrefixLists", "ec2:DescribeVpcEndpoints"),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": ("ecr:GetLifecyclePolicy",),
    "aws:ecr/repository:Repository": ("ecr:DescribeRepositories", "ecr:ListTagsForResource"),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": ("ecr:GetRepositoryPolicy",),
    "aws:ecs/cluster:Cluster": ("ecs:DescribeClusters", "ecs:ListTagsForResource"),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": ("ecs:DescribeClusters",),
    "aws:ecs/service:Service": (
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServiceRevisions",
        "ecs:DescribeServices",
        "ecs:ListServiceDeployments",
        "ecs:ListTagsForResource",
    ),
    "aws:ecs/taskDefinition:TaskDefinition": ("ecs:DescribeTaskDefinition", "ecs:ListTagsForResource"),
    "aws:iam/role:Role": (
        "iam:GetRole",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies",
        "iam:ListRoleTags",
    ),
    "aws:iam/rolePolicy:RolePolicy": ("iam:GetRolePolicy",),
    "aws:s3/bucket:Bucket": (
        "s3:GetAccelerateConfiguration",
        "s3:GetBucketAcl",
        "s3:GetBucketCORS",
        "s3:GetBucketLocation",
        "s3:GetBucketLogging",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketPolicy",
        "s3:GetBucketRequestPayment",
        "s3:GetBucketTagging",
        "s3:GetBucketVersioning",
        "s3:GetBucketWebsite",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
        "s3:GetReplicationConfiguration",
        "s3:ListBucket",
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "aws:s3/bucketPolicy:BucketPolicy": ("s3:GetBucketPolicy",),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": ("s3:GetReplicationConfiguration",),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "s3:GetEncryptionConfiguration",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": ("s3:GetBucketVersioning",),
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": (
        "servicediscovery:GetNamespace",
        "servicediscovery:GetOperation",
        "servicediscovery:ListTagsForResource",
    ),
    "aws:servicediscovery/service:Service": (
        "servicediscovery:GetService",
        "servicediscovery:ListTagsForResource",
    ),
    "aws:sns/topic:Topic": ("sns:GetTopicAttributes", "sns:ListTagsForResource"),
    "aws:sns/topicPolicy:TopicPolicy": ("sns:GetTopicAttributes",),
    "aws:sns/topicSubscription:TopicSubscription": ("sns:GetSubscriptionAttributes",),
    "aws:sqs/queue:Queue": ("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"),
    "aws:sqs/queuePolicy:QueuePolicy": ("sqs:GetQueueAttributes",),
    "aws:sqs/redrivePolicy:RedrivePolicy": ("sqs:GetQueueAttributes",),
    # A preview builds with the cache, and pushes nothing but the cache's own manifest.
    "docker-build:index:Image": (
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
    ),
    "docker-build:index:Index": ("ecr:BatchGetImage", "ecr:GetAuthorizationToken"),
}

# For a customer managed key; on the key they need the service, or the state's bucket, as their way.
USE_KEY = ("kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant")

MAKE: Mapping[str, tuple[str, ...]] = {
    "aws:appautoscaling/policy:Policy": (
        "application-autoscaling:DeleteScalingPolicy",
        "application-autoscaling:PutScalingPolicy",
    ),
    "aws:appautoscaling/scheduledAction:ScheduledAction": (
        "application-autoscaling:DeleteScheduledAction",
        "application-autoscaling:PutScheduledAction",
    ),
    "aws:appautoscaling/target:Target": (
        "application-autoscaling:DeregisterScalableTarget",
        "application-autoscaling:RegisterScalableTarget",
        "application-autoscaling:TagResource",
        "application-autoscaling:UntagResource",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:cloudwatch/dashboard:Dashboard": ("cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"),
    "aws:cloudwatch/logGroup:LogGroup": (
        "logs:AssociateKmsKey",
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:DisassociateKmsKey",
        "logs:PutRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        "cloudwatch:DeleteAlarms",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        "cloudwatch:UntagResource",
    ),
    "aws:dynamodb/table:Table": (
        "dynamodb:CreateTable",
        "dynamodb:DeleteTable",
        "dynamodb:TagResource",
        "dynamodb:UntagResource",
        "dynamodb:UpdateContinuousBackups",
        "dynamodb:UpdateTable",
        *USE_KEY,
    ),
    "aws:ec2/eip:Eip": ("ec2:AllocateAddress", "ec2:CreateTags", "ec2:DeleteTags", "ec2:ReleaseAddress"),
    "aws:ec2/internetGateway:InternetGateway": (
        "ec2:AttachInternetGateway",
        "ec2:CreateInternetGateway",
        "ec2:DeleteInternetGateway",
        "ec2:DetachInternetGateway",
    ),
    "aws:ec2/natGateway:NatGateway": ("ec2:CreateNatGateway", "ec2:DeleteNatGateway"),
    "aws:ec2/route:Route": ("ec2:CreateRoute", "ec2:DeleteRoute", "ec2:ReplaceRoute"),
    "aws:ec2/routeTable:RouteTable": ("ec2:CreateRouteTable", "ec2:DeleteRouteTable"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (
        "ec2:AssociateRouteTable",
        "ec2:DisassociateRouteTable",
        "ec2:ReplaceRouteTableAssociation",
    ),
    "aws:ec2/securityGroup:SecurityGroup": (
        "ec2:CreateSecurityGroup",
        "ec2:CreateTags",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteTags",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
    ),
    "aws:ec2/subnet:Subnet": ("ec2:CreateSubnet", "ec2:DeleteSubnet", "ec2:ModifySubnetAttribute"),
    "aws:ec2/vpc:Vpc": ("ec2:CreateVpc", "ec2:DeleteVpc", "ec2:ModifyVpcAttribute"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        "ec2:CreateVpcEndpoint",
        "ec2:DeleteVpcEndpoints",
        "ec2:ModifyVpcEndpoint",
        "route53:AssociateVPCWithHostedZone",
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": ("ecr:DeleteLifecyclePolicy", "ecr:PutLifecyclePolicy"),
    "aws:ecr/repository:Repository": (
        "ecr:BatchDeleteImage",
        "ecr:CreateRepository",
        "ecr:DeleteRepository",
        "ecr:PutImageScanningConfiguration",
        "ecr:PutImageTagMutability",
        "ecr:TagResource",
        "ecr:UntagResource",
        *USE_KEY,
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": ("ecr:DeleteRepositoryPolicy", "ecr:SetRepositoryPolicy"),
    "aws:ecs/cluster:Cluster": (
        "ecs:CreateCluster",
        "ecs:DeleteCluster",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateCluster",
    ),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": ("ecs:PutClusterCapacityProviders",),
    "aws:ecs/service:Service": (
        "ecs:CreateService",
        "ecs:DeleteService",
        "ecs:StopServiceDeployment",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateService",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:ecs/taskDefinition:TaskDefinition": (
        "ecs:DeregisterTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
        "iam:PassRole",
    ),
    "aws:iam/role:Role": (
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:DeleteRolePermissionsBoundary",
        "iam:PutRolePermissionsBoundary",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
        "iam:UpdateRoleDescription",
    ),
    "aws:iam/rolePolicy:RolePolicy": ("iam:DeleteRolePolicy", "iam:PutRolePolicy"),
    "aws:s3/bucket:Bucket": (
        "s3:CreateBucket",
        "s3:DeleteBucket",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:ListBucketVersions",
        "s3:PutBucketTagging",
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "aws:s3/bucketPolicy:BucketPolicy": ("s3:DeleteBucketPolicy", "s3:PutBucketPolicy"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": (
        "iam:PassRole",
        "s3:PutReplicationConfiguration",
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "s3:PutEncryptionConfiguration",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": ("s3:PutBucketVersioning",),
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": (
        "route53:CreateHostedZone",
        "route53:DeleteHostedZone",
        "route53:GetHostedZone",
        "route53:ListHostedZonesByName",
        "ec2:DescribeRegions",
        "servicediscovery:CreatePrivateDnsNamespace",
        "servicediscovery:DeleteNamespace",
        "servicediscovery:TagResource",
        "servicediscovery:UntagResource",
        "servicediscovery:UpdatePrivateDnsNamespace",
    ),
    "aws:servicediscovery/service:Service": (
        "route53:ChangeResourceRecordSets",
        "servicediscovery:CreateService",
        "servicediscovery:DeleteService",
        "servicediscovery:DeregisterInstance",
        "servicediscovery:ListInstances",
        "servicediscovery:UpdateService",
    ),
    "aws:sns/topic:Topic": (
        "sns:CreateTopic",
        "sns:DeleteTopic",
        "sns:SetTopicAttributes",
        "sns:TagResource",
        "sns:UntagResource",
    ),
    "aws:sns/topicPolicy:TopicPolicy": ("sns:SetTopicAttributes",),
    "aws:sns/topicSubscription:TopicSubscription": (
        "sns:SetSubscriptionAttributes",
        "sns:Subscribe",
        "sns:Unsubscribe",
    ),
    "aws:sqs/queue:Queue": (
        "sqs:CreateQueue",
        "sqs:DeleteQueue",
        "sqs:SetQueueAttributes",
        "sqs:TagQueue",
        "sqs:UntagQueue",
    ),
    "aws:sqs/queuePolicy:QueuePolicy": ("sqs:SetQueueAttributes",),
    "aws:sqs/redrivePolicy:RedrivePolicy": ("sqs:SetQueueAttributes",),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:ModifySecurityGroupRules",
        "ec2:RevokeSecurityGroupEgress",
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:ModifySecurityGroupRules",
        "ec2:RevokeSecurityGroupIngress",
    ),
    "docker-build:index:Image": (
        "ecr:CompleteLayerUpload",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
    ),
    "docker-build:index:Index": ("ecr:PutImage",),
}

RULES: Mapping[str, tuple[str, ...]] = {
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ("ec2:DescribeSecurityGroupRules",),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("ec2:DescribeSecurityGroupRules",),
}

# What the program asks beside its resources, and `make info`, `make logs` and the scan of a deployed image.
ASK = (
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeManagedPrefixLists",
    "ec2:GetManagedPrefixListEntries",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpointServices",
    "ec2:DescribeVpcs",
    "ecr:DescribeImages",
    "ecr:DescribeImageScanFindings",
    "ecr:DescribeRepositories",
    "logs:DescribeLogStreams",
    "logs:GetLogEvents",
    "sqs:GetQueueAttributes",
)

# What a smoke test of a deployed service does, as a producer and reader of its media.
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

# Written by ../generate.py from ../../writerlink.yaml. Change the template and run it again.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

locals {
  # A parameter that is null is left out, and the template's default counts.
  parameters = {
    Name                    = var.name
    Image                   = var.image
    RepositoryName          = var.repository_name
    CpuArchitecture         = var.cpu_architecture
    ConfigParameter         = var.config_parameter
    DesiredCount            = tostring(var.desired_count)
    StopTimeoutSeconds      = tostring(var.stop_timeout_seconds)
    VpcId                   = var.vpc_id
    SubnetIds               = join(",", var.subnet_ids)
    EgressCidr              = var.egress_cidr
    S3PrefixListId          = var.s3_prefix_list_id
    DynamoDbPrefixListId    = var.dynamo_db_prefix_list_id
    DeploymentPrincipalArns = join(",", var.deployment_principal_arns)
    BreakGlassPrincipalArn  = var.break_glass_principal_arn
    AlarmTopicArn           = var.alarm_topic_arn
    LogRetentionDays        = tostring(var.log_retention_days)
  }
}

resource "aws_cloudformation_stack" "this" {
  # checkov:skip=CKV_AWS_124: the caller chooses who gets the events of a stack (notification_arns)
  name              = var.stack_name
  template_body     = file("${path.module}/../../writerlink.yaml")
  parameters        = { for key, value in local.parameters : key => value if value != null }
  capabilities      = ["CAPABILITY_NAMED_IAM"]
  notification_arns = var.notification_arns
  tags              = var.tags
}

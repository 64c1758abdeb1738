# Written by ../generate.py from ../../relay.yaml. Change the template and run it again.

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
    CoreStackName               = var.core_stack_name
    Name                        = var.name
    Image                       = var.image
    RepositoryName              = var.repository_name
    HaproxyImage                = var.haproxy_image
    CpuArchitecture             = var.cpu_architecture
    ConfigParameter             = var.config_parameter
    DesiredCount                = tostring(var.desired_count)
    Cpu                         = var.cpu
    Memory                      = var.memory
    VpcId                       = var.vpc_id
    SubnetIds                   = join(",", var.subnet_ids)
    EgressCidr                  = var.egress_cidr
    DatabaseCidr                = var.database_cidr
    DatabasePort                = tostring(var.database_port)
    LoadBalancerSecurityGroupId = var.load_balancer_security_group_id
    AlivePort                   = tostring(var.alive_port)
    Listen1                     = tostring(var.listen1)
    TargetGroup1                = var.target_group1
    Listen2                     = tostring(var.listen2)
    TargetGroup2                = var.target_group2
    Listen3                     = tostring(var.listen3)
    TargetGroup3                = var.target_group3
    Listen4                     = tostring(var.listen4)
    TargetGroup4                = var.target_group4
    Listen5                     = tostring(var.listen5)
    TargetGroup5                = var.target_group5
    AlarmTopicArn               = var.alarm_topic_arn
    LogRetentionDays            = tostring(var.log_retention_days)
  }
}

resource "aws_cloudformation_stack" "this" {
  # checkov:skip=CKV_AWS_124: the caller chooses who gets the events of a stack (notification_arns)
  name              = var.stack_name
  template_body     = file("${path.module}/../../relay.yaml")
  parameters        = { for key, value in local.parameters : key => value if value != null }
  capabilities      = ["CAPABILITY_NAMED_IAM"]
  notification_arns = var.notification_arns
  tags              = var.tags
}

# Written by ../generate.py from ../../endpoints.yaml. Change the template and run it again.

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
    VpcId         = var.vpc_id
    SubnetIds     = join(",", var.subnet_ids)
    RouteTableIds = join(",", var.route_table_ids)
    ClientCidr    = var.client_cidr
    ServicePrefix = var.service_prefix
    EcrApi        = tostring(var.ecr_api)
    EcrDkr        = tostring(var.ecr_dkr)
    Logs          = tostring(var.logs)
    Sqs           = tostring(var.sqs)
    Ssm           = tostring(var.ssm)
    LoadBalancing = tostring(var.load_balancing)
    Rds           = tostring(var.rds)
    S3            = tostring(var.s3)
    DynamoDb      = tostring(var.dynamo_db)
  }
}

resource "aws_cloudformation_stack" "this" {
  # checkov:skip=CKV_AWS_124: the caller chooses who gets the events of a stack (notification_arns)
  name              = var.stack_name
  template_body     = file("${path.module}/../../endpoints.yaml")
  parameters        = { for key, value in local.parameters : key => value if value != null }
  notification_arns = var.notification_arns
  tags              = var.tags
}

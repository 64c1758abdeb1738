# Written by ../generate.py from ../../privatelink.yaml. Change the template and run it again.

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
    Name              = var.name
    VpcId             = var.vpc_id
    SubnetIds         = join(",", var.subnet_ids)
    DatabasePort      = tostring(var.database_port)
    DatabaseCidr      = var.database_cidr
    HealthCheckPort   = var.health_check_port
    AllowedPrincipals = join(",", var.allowed_principals)
  }
}

resource "aws_cloudformation_stack" "this" {
  # checkov:skip=CKV_AWS_124: the caller chooses who gets the events of a stack (notification_arns)
  name              = var.stack_name
  template_body     = file("${path.module}/../../privatelink.yaml")
  parameters        = { for key, value in local.parameters : key => value if value != null }
  notification_arns = var.notification_arns
  tags              = var.tags
}

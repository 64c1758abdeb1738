# Written by ../generate.py from ../../database-login.yaml. Change the template and run it again.

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
    WriterlinkStack  = var.writerlink_stack
    DatabaseUserArns = join(",", var.database_user_arns)
  }
}

resource "aws_cloudformation_stack" "this" {
  # checkov:skip=CKV_AWS_124: the caller chooses who gets the events of a stack (notification_arns)
  name              = var.stack_name
  template_body     = file("${path.module}/../../database-login.yaml")
  parameters        = { for key, value in local.parameters : key => value if value != null }
  capabilities      = ["CAPABILITY_NAMED_IAM"]
  notification_arns = var.notification_arns
  tags              = var.tags
}

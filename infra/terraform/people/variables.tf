variable "stack_name" {
  type        = string
  description = "The name of the CloudFormation stack."
}

variable "notification_arns" {
  type        = list(string)
  default     = []
  description = "SNS topics that CloudFormation sends the events of this stack to."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of the stack, which CloudFormation gives to its resources too."
}

variable "writerlink_stack" {
  type        = string
  default     = null
  description = <<-EOT
    The name of the stack of writerlink.yaml.
  EOT

  validation {
    condition     = var.writerlink_stack == null ? true : can(regex("^[A-Za-z][A-Za-z0-9-]{0,127}$", var.writerlink_stack))
    error_message = "writerlink_stack: the name of a CloudFormation stack."
  }
}

variable "name" {
  type        = string
  default     = null
  description = <<-EOT
    The name of the installation, as in writerlink.yaml.
  EOT

  validation {
    condition     = var.name == null ? true : can(regex("^[a-z][a-z0-9-]{1,29}$", var.name))
    error_message = "name: 2 to 30 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "operator_principal_arn" {
  type        = string
  nullable    = false
  description = <<-EOT
    The one role or user that may take the operator role; a user needs MFA for it.
  EOT

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", var.operator_principal_arn))
    error_message = "operator_principal_arn: the ARN of an IAM role or user."
  }
}

variable "reader_principal_arn" {
  type        = string
  default     = null
  description = <<-EOT
    The role or user that may take the reader role. Empty: whoever in this account an identity policy
    allows to.
  EOT

  validation {
    condition     = var.reader_principal_arn == null ? true : can(regex("^(arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+)?$", var.reader_principal_arn))
    error_message = "reader_principal_arn: the ARN of an IAM role or user, or empty."
  }
}

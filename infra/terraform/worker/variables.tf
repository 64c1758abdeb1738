variable "stack_name" {
  type        = string
  default     = "writerlink"
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

variable "name" {
  type        = string
  default     = null
  description = <<-EOT
    The name of this installation. No other one in this account and Region may have it: alarms tell
    installations apart by it. The queue is NAME.fifo and the tables are NAME-state and NAME-audit, so
    with another name than the default the configuration has to say queue.name, ledger.state_table and
    ledger.audit_table.
  EOT

  validation {
    condition     = var.name == null ? true : can(regex("^[a-z][a-z0-9-]{1,29}$", var.name))
    error_message = "name: 2 to 30 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "image" {
  type        = string
  nullable    = false
  description = <<-EOT
    The container image by digest, such as 123456789012.dkr.ecr.us-
    east-1.amazonaws.com/writerlink@sha256:... A tag can be moved to another image behind this
    template's back; a digest cannot.
  EOT

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9./_:-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image: an image with its digest, REPOSITORY@sha256:64 hexadecimal digits."
  }
}

variable "repository_name" {
  type        = string
  default     = null
  description = <<-EOT
    The ECR repository of the image, in this account and Region. ECS may pull from this one alone.
  EOT

  validation {
    condition     = var.repository_name == null ? true : can(regex("^[a-z0-9][a-z0-9._/-]{1,255}$", var.repository_name))
    error_message = "repository_name: the name of an ECR repository, without registry and tag."
  }
}

variable "cpu_architecture" {
  type        = string
  default     = null
  description = <<-EOT
    What the image was built for. ARM64 costs about a fifth less on Fargate.
  EOT

  validation {
    condition     = var.cpu_architecture == null ? true : contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture: cpu_architecture is none of the values that the template takes."
  }
}

variable "config_parameter" {
  type        = string
  default     = null
  description = <<-EOT
    The SSM parameter (type String) that holds the text of writerlink.toml. ECS hands it to the
    container when a task starts, so a changed configuration needs a new deployment of the service. At
    most 4 KB, 8 KB in the advanced tier.
  EOT

  validation {
    condition     = var.config_parameter == null ? true : can(regex("^/[A-Za-z0-9_./-]{1,200}$", var.config_parameter))
    error_message = "config_parameter: the name of an SSM parameter, beginning with a slash."
  }
}

variable "desired_count" {
  type        = number
  default     = null
  description = <<-EOT
    How many tasks run. Two, so that losing one (or an Availability Zone) costs no failover a cold
    start. Any number is safe: the lease and the queue's groups decide who works on what.
  EOT

  validation {
    condition     = var.desired_count == null ? true : var.desired_count >= 0 && var.desired_count <= 20
    error_message = "desired_count: a number from 0 to 20; 0 stops the worker and keeps everything else."
  }
}

variable "stop_timeout_seconds" {
  type        = number
  default     = null
  description = <<-EOT
    How long a stopping task may wait for its open receive (20 s at most) and finish what it has in
    hand. Longer than worker.drain_timeout_s of the configuration (25 unless set), since after it comes
    SIGKILL. 120 is Fargate's limit.
  EOT

  validation {
    condition     = var.stop_timeout_seconds == null ? true : var.stop_timeout_seconds >= 30 && var.stop_timeout_seconds <= 120
    error_message = "stop_timeout_seconds: a number from 30 to 120, and more than worker.drain_timeout_s."
  }
}

variable "vpc_id" {
  type        = string
  nullable    = false
  description = <<-EOT
    The VPC of the tasks. It needs a way to the AWS APIs, not to the database.
  EOT
}

variable "subnet_ids" {
  type        = list(string)
  nullable    = false
  description = <<-EOT
    Private subnets in at least two Availability Zones, with a NAT gateway or the VPC endpoints that
    docs/deploy.md lists.
  EOT
}

variable "egress_cidr" {
  type        = string
  default     = null
  description = <<-EOT
    Where the tasks may connect to, on port 443 alone. The AWS APIs have no fixed addresses, hence the
    default; with VPC endpoints for all of them, write the VPC's own range, and give the prefix lists of
    the two gateway endpoints.
  EOT

  validation {
    condition     = var.egress_cidr == null ? true : can(regex("^([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}$", var.egress_cidr))
    error_message = "egress_cidr: an IPv4 range such as 10.0.0.0/16."
  }
}

variable "s3_prefix_list_id" {
  type        = string
  default     = null
  description = <<-EOT
    With a gateway endpoint for S3 (layers of the image come from there), the id of the Region's prefix
    list com.amazonaws.REGION.s3.
  EOT

  validation {
    condition     = var.s3_prefix_list_id == null ? true : can(regex("^(pl-[0-9a-f]{8,17})?$", var.s3_prefix_list_id))
    error_message = "s3_prefix_list_id: pl- and 8 to 17 hexadecimal digits, or empty."
  }
}

variable "dynamo_db_prefix_list_id" {
  type        = string
  default     = null
  description = <<-EOT
    With a gateway endpoint for DynamoDB, the id of the Region's prefix list
    com.amazonaws.REGION.dynamodb.
  EOT

  validation {
    condition     = var.dynamo_db_prefix_list_id == null ? true : can(regex("^(pl-[0-9a-f]{8,17})?$", var.dynamo_db_prefix_list_id))
    error_message = "dynamo_db_prefix_list_id: pl- and 8 to 17 hexadecimal digits, or empty."
  }
}

variable "deployment_principal_arns" {
  type        = list(string)
  nullable    = false
  description = <<-EOT
    The role (or user) that deploys these stacks: CloudFormation's service role if it has one, else the
    caller's. Beside the root user it alone may change the policies of tables, queues and key, purge or
    delete a queue, and disable or delete the key. Two, separated by a comma, while one follows the
    other: KMS takes no policy from whom it would lock out.
  EOT

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=.@_/-]+(,arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=.@_/-]+)*$", join(",", var.deployment_principal_arns)))
    error_message = "deployment_principal_arns: ARNs of IAM roles or users (of a role with its path, not of its session), separated by commas without spaces."
  }
}

variable "break_glass_principal_arn" {
  type        = string
  default     = null
  description = <<-EOT
    The one role or user (with MFA) that may take the break-glass role, which alone can change rows of
    the ledger (a legal order to erase, say). Empty: there is no such role and no exception for it, and
    nobody can.
  EOT

  validation {
    condition     = var.break_glass_principal_arn == null ? true : can(regex("^(arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+)?$", var.break_glass_principal_arn))
    error_message = "break_glass_principal_arn: the ARN of an IAM role or user, or empty."
  }
}

variable "alarm_topic_arn" {
  type        = string
  default     = null
  description = <<-EOT
    The SNS topic that alarms notify. Empty only for a trial, because an alarm has to notify somebody.
  EOT

  validation {
    condition     = var.alarm_topic_arn == null ? true : can(regex("^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn: the ARN of a standard SNS topic, or empty."
  }
}

variable "log_retention_days" {
  type        = number
  default     = null
  description = <<-EOT
    How long log lines are kept. The audit is in DynamoDB and is kept for ever; the log holds the
    details around it.
  EOT

  validation {
    condition     = var.log_retention_days == null ? true : contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: log_retention_days is none of the values that the template takes."
  }
}

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

variable "route_name" {
  type        = string
  nullable    = false
  description = <<-EOT
    The route's name in writerlink.toml (route.name, or its source if it has none). It names the rule,
    and is the message group, so that the route's events stay in order.
  EOT

  validation {
    condition     = can(regex("^[a-z0-9_-]{1,32}$", var.route_name))
    error_message = "route_name: 1 to 32 lower-case letters, digits, hyphens and underscores, as in writerlink.toml."
  }
}

variable "source_arn" {
  type        = string
  nullable    = false
  description = <<-EOT
    The ARN of the DB cluster (Aurora, Multi-AZ DB cluster) or DB instance (Multi-AZ) whose writer the
    route follows.
  EOT

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:rds:[a-z0-9-]+:[0-9]{12}:(cluster|db):[a-zA-Z][a-zA-Z0-9-]{0,62}$", var.source_arn))
    error_message = "source_arn: arn:aws:rds:REGION:ACCOUNT:cluster:NAME, or db:NAME. EventBridge compares it letter by letter."
  }
}

variable "event_ids" {
  type        = list(string)
  default     = null
  description = <<-EOT
    The events that are brought to the queue. One that moves nothing is recorded as Ignored, so more of
    them cost little and no harm.
  EOT

  validation {
    condition     = var.event_ids == null ? true : alltrue([for one in var.event_ids : can(regex("^RDS-EVENT-[0-9]{4}$", one))])
    error_message = "event_ids: ids such as RDS-EVENT-0072, separated by commas."
  }
}

variable "alarm_topic_arn" {
  type        = string
  default     = null
  description = <<-EOT
    The SNS topic that alarms notify, as in writerlink.yaml. Empty only for a trial.
  EOT

  validation {
    condition     = var.alarm_topic_arn == null ? true : can(regex("^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn: the ARN of a standard SNS topic, or empty."
  }
}

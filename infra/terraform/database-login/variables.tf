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

variable "database_user_arns" {
  type        = list(string)
  nullable    = false
  description = <<-EOT
    Who the worker logs in as, arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE-ID/USER, separated by
    commas. RESOURCE-ID is DbClusterResourceId (cluster-...) of describe-db-clusters, or DbiResourceId
    (db-...) of describe-db-instances; not the name.
  EOT
}

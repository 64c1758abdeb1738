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

variable "target_group_arns" {
  type        = list(string)
  default     = null
  description = <<-EOT
    The target groups of routes with strategy swap (route.target_group in writerlink.toml), separated by
    commas.
  EOT
}

variable "more_target_group_arns" {
  type        = list(string)
  default     = null
  description = <<-EOT
    More of them, when the parameter above is full (4,096 characters, 34 to 43 groups).
  EOT
}

variable "listener_arns" {
  type        = list(string)
  default     = null
  description = <<-EOT
    The NLB listeners of routes with strategy weighted (route.listener), separated by commas.
  EOT
}

variable "instance_group_arns" {
  type        = list(string)
  default     = null
  description = <<-EOT
    The target groups of the instances of weighted routes (route.target_groups), separated by commas.
    The worker registers an instance's address there when it is missing, and deregisters nothing.
  EOT
}

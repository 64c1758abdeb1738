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

variable "name" {
  type        = string
  nullable    = false
  description = <<-EOT
    The name of the load balancer and of the target group.
  EOT

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9-]{0,26}[A-Za-z0-9])?$", var.name))
    error_message = "name: 1 to 28 letters, digits and hyphens, with no hyphen at either end."
  }
}

variable "vpc_id" {
  type        = string
  nullable    = false
  description = <<-EOT
    The VPC of the database.
  EOT
}

variable "subnet_ids" {
  type        = list(string)
  nullable    = false
  description = <<-EOT
    A private subnet in every Availability Zone where the writer may be, and in every one that the
    consumer's endpoint uses. A target in a zone that the load balancer does not have is never used;
    zones are shared by their id, not their name.
  EOT
}

variable "database_port" {
  type        = number
  default     = null
  description = <<-EOT
    The port of the database, and of the listener.
  EOT

  validation {
    condition     = var.database_port == null ? true : var.database_port >= 1 && var.database_port <= 65535
    error_message = "database_port: a port, 1 to 65535."
  }
}

variable "database_cidr" {
  type        = string
  nullable    = false
  description = <<-EOT
    Where the instances are; the load balancer may connect to nothing else.
  EOT

  validation {
    condition     = can(regex("^([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}$", var.database_cidr))
    error_message = "database_cidr: an IPv4 range such as 10.0.0.0/16."
  }
}

variable "health_check_port" {
  type        = string
  default     = null
  description = <<-EOT
    The port of the health check. By default one that no database answers on, so that all targets are
    unhealthy and the load balancer sends to all of them (fail-open); traffic-port for checks on the
    database's own port. See the comment in the template.
  EOT

  validation {
    condition     = var.health_check_port == null ? true : can(regex("^(traffic-port|[1-9][0-9]{0,4})$", var.health_check_port))
    error_message = "health_check_port: traffic-port, or a port."
  }
}

variable "allowed_principals" {
  type        = list(string)
  nullable    = false
  description = <<-EOT
    Who may create an endpoint to this service. HeatWave on AWS is arn:aws:iam::612981981079:root
    (verify it in Oracle's guide).
  EOT

  validation {
    condition     = alltrue([for one in var.allowed_principals : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(root|role/.+|user/.+)$", one))])
    error_message = "allowed_principals: ARNs of accounts (…:root), roles or users, separated by commas; never \"*\"."
  }
}

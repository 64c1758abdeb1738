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

variable "core_stack_name" {
  type        = string
  default     = null
  description = <<-EOT
    The stack of writerlink.yaml.
  EOT

  validation {
    condition     = var.core_stack_name == null ? true : can(regex("^[A-Za-z][A-Za-z0-9-]{0,127}$", var.core_stack_name))
    error_message = "core_stack_name: the name of a CloudFormation stack."
  }
}

variable "name" {
  type        = string
  default     = null
  description = <<-EOT
    The installation's name, the parameter Name of that stack.
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
    The image of writerlink by digest, the same as the worker's.
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
    The ECR repository of the image, in this account and Region.
  EOT

  validation {
    condition     = var.repository_name == null ? true : can(regex("^[a-z0-9][a-z0-9._/-]{1,255}$", var.repository_name))
    error_message = "repository_name: the name of an ECR repository, without registry and tag."
  }
}

variable "haproxy_image" {
  type        = string
  nullable    = false
  description = <<-EOT
    HAProxy's public image by digest (2.6 or later, with Lua), from a registry that the tasks reach.
    docs/relay.md says how to look it up.
  EOT

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9./_:-]*@sha256:[0-9a-f]{64}$", var.haproxy_image))
    error_message = "haproxy_image: an image with its digest, REPOSITORY@sha256:64 hexadecimal digits."
  }
}

variable "cpu_architecture" {
  type        = string
  default     = null
  description = <<-EOT
    What both images were built for.
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
    The SSM parameter that holds the text of writerlink.toml, the same as the worker's. A change needs a
    new deployment of this service too.
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
    How many relays. Two, in two zones; with all of them gone the route has no path.
  EOT

  validation {
    condition     = var.desired_count == null ? true : var.desired_count >= 2 && var.desired_count <= 8
    error_message = "desired_count: a number from 2 to 8."
  }
}

variable "cpu" {
  type        = string
  default     = null
  description = <<-EOT
    CPU units of a task. All traffic of the routes flows through it.
  EOT

  validation {
    condition     = var.cpu == null ? true : contains(["256", "512", "1024", "2048"], var.cpu)
    error_message = "cpu: cpu is none of the values that the template takes."
  }
}

variable "memory" {
  type        = string
  default     = null
  description = <<-EOT
    Memory of a task in MiB. HAProxy needs about 32 KiB a connection (two buffers of 16 KiB,
    tune.bufsize).
  EOT

  validation {
    condition     = var.memory == null ? true : contains(["512", "1024", "2048", "4096"], var.memory)
    error_message = "memory: memory is none of the values that the template takes."
  }
}

variable "vpc_id" {
  type        = string
  nullable    = false
  description = <<-EOT
    The VPC of the tasks, which reaches the databases.
  EOT
}

variable "subnet_ids" {
  type        = list(string)
  nullable    = false
  description = <<-EOT
    Private subnets in at least two Availability Zones that the load balancer has too.
  EOT
}

variable "egress_cidr" {
  type        = string
  default     = null
  description = <<-EOT
    Where the tasks may connect to on port 443, for the AWS APIs.
  EOT

  validation {
    condition     = var.egress_cidr == null ? true : can(regex("^([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}$", var.egress_cidr))
    error_message = "egress_cidr: an IPv4 range such as 10.0.0.0/16."
  }
}

variable "database_cidr" {
  type        = string
  nullable    = false
  description = <<-EOT
    Where the databases are; relays may connect to nothing else.
  EOT

  validation {
    condition     = can(regex("^([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}$", var.database_cidr))
    error_message = "database_cidr: an IPv4 range such as 10.0.0.0/16."
  }
}

variable "database_port" {
  type        = number
  default     = null
  description = <<-EOT
    The databases' port.
  EOT

  validation {
    condition     = var.database_port == null ? true : var.database_port >= 1 && var.database_port <= 65535
    error_message = "database_port: a port, 1 to 65535."
  }
}

variable "load_balancer_security_group_id" {
  type        = string
  nullable    = false
  description = <<-EOT
    The load balancer's security group; nobody else may connect to relays.
  EOT
}

variable "alive_port" {
  type        = number
  default     = null
  description = <<-EOT
    relay.alive_port of the configuration: the port of the target groups' health check. It says that
    HAProxy lives, never that a writer exists: a health check on a database port would take all relays
    out at every failover.
  EOT

  validation {
    condition     = var.alive_port == null ? true : var.alive_port >= 1024 && var.alive_port <= 65535
    error_message = "alive_port: a port, 1024 to 65535."
  }
}

variable "listen1" {
  type        = number
  default     = null
  description = <<-EOT
    relay.listen of a route; 0 for none. Not below 1024, since HAProxy runs without root.
  EOT

  validation {
    condition     = var.listen1 == null ? true : var.listen1 >= 0 && var.listen1 <= 65535
    error_message = "listen1: a port, or 0."
  }
}

variable "target_group1" {
  type        = string
  default     = null
  description = <<-EOT
    The route's target group, whose health check asks AlivePort.
  EOT

  validation {
    condition     = var.target_group1 == null ? true : can(regex("^(arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9-]+/[0-9a-f]+)?$", var.target_group1))
    error_message = "target_group1: the ARN of a target group, or empty."
  }
}

variable "listen2" {
  type        = number
  default     = null
  description = <<-EOT
    relay.listen of a route; 0 for none. Not below 1024, since HAProxy runs without root.
  EOT

  validation {
    condition     = var.listen2 == null ? true : var.listen2 >= 0 && var.listen2 <= 65535
    error_message = "listen2: a port, or 0."
  }
}

variable "target_group2" {
  type        = string
  default     = null
  description = <<-EOT
    The route's target group, whose health check asks AlivePort.
  EOT

  validation {
    condition     = var.target_group2 == null ? true : can(regex("^(arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9-]+/[0-9a-f]+)?$", var.target_group2))
    error_message = "target_group2: the ARN of a target group, or empty."
  }
}

variable "listen3" {
  type        = number
  default     = null
  description = <<-EOT
    relay.listen of a route; 0 for none. Not below 1024, since HAProxy runs without root.
  EOT

  validation {
    condition     = var.listen3 == null ? true : var.listen3 >= 0 && var.listen3 <= 65535
    error_message = "listen3: a port, or 0."
  }
}

variable "target_group3" {
  type        = string
  default     = null
  description = <<-EOT
    The route's target group, whose health check asks AlivePort.
  EOT

  validation {
    condition     = var.target_group3 == null ? true : can(regex("^(arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9-]+/[0-9a-f]+)?$", var.target_group3))
    error_message = "target_group3: the ARN of a target group, or empty."
  }
}

variable "listen4" {
  type        = number
  default     = null
  description = <<-EOT
    relay.listen of a route; 0 for none. Not below 1024, since HAProxy runs without root.
  EOT

  validation {
    condition     = var.listen4 == null ? true : var.listen4 >= 0 && var.listen4 <= 65535
    error_message = "listen4: a port, or 0."
  }
}

variable "target_group4" {
  type        = string
  default     = null
  description = <<-EOT
    The route's target group, whose health check asks AlivePort.
  EOT

  validation {
    condition     = var.target_group4 == null ? true : can(regex("^(arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9-]+/[0-9a-f]+)?$", var.target_group4))
    error_message = "target_group4: the ARN of a target group, or empty."
  }
}

variable "listen5" {
  type        = number
  default     = null
  description = <<-EOT
    relay.listen of a route; 0 for none. Not below 1024, since HAProxy runs without root.
  EOT

  validation {
    condition     = var.listen5 == null ? true : var.listen5 >= 0 && var.listen5 <= 65535
    error_message = "listen5: a port, or 0."
  }
}

variable "target_group5" {
  type        = string
  default     = null
  description = <<-EOT
    The route's target group, whose health check asks AlivePort.
  EOT

  validation {
    condition     = var.target_group5 == null ? true : can(regex("^(arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9-]+/[0-9a-f]+)?$", var.target_group5))
    error_message = "target_group5: the ARN of a target group, or empty."
  }
}

variable "alarm_topic_arn" {
  type        = string
  default     = null
  description = <<-EOT
    The SNS topic that alarms go to; empty for none.
  EOT

  validation {
    condition     = var.alarm_topic_arn == null ? true : can(regex("^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn: the ARN of an SNS topic, or empty."
  }
}

variable "log_retention_days" {
  type        = number
  default     = null
  description = <<-EOT
    How long the relays' log is kept.
  EOT

  validation {
    condition     = var.log_retention_days == null ? true : contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: log_retention_days is none of the values that the template takes."
  }
}

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

variable "vpc_id" {
  type        = string
  nullable    = false
  description = <<-EOT
    The VPC of the tasks. It needs enableDnsSupport and enableDnsHostnames, or private DNS names do not
    resolve.
  EOT
}

variable "subnet_ids" {
  type        = list(string)
  nullable    = false
  description = <<-EOT
    One subnet in each Availability Zone of the tasks; an endpoint takes one subnet a zone.
  EOT
}

variable "route_table_ids" {
  type        = list(string)
  nullable    = false
  description = <<-EOT
    The route tables of the tasks' subnets, for the gateway endpoints (S3, DynamoDB).
  EOT

  validation {
    condition     = alltrue([for one in var.route_table_ids : can(regex("^rtb-[0-9a-f]{8,17}$", one))])
    error_message = "route_table_ids: ids of route tables (rtb-...), separated by commas."
  }
}

variable "client_cidr" {
  type        = string
  nullable    = false
  description = <<-EOT
    Who may connect to the endpoints, on port 443 alone: the VPC's range or that of the tasks' subnets.
    A range, since the tasks' own security groups are made later. EgressCidr of writerlink.yaml and
    relay.yaml has to contain SubnetIds.
  EOT

  validation {
    condition     = can(regex("^([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}$", var.client_cidr))
    error_message = "client_cidr: an IPv4 range such as 10.0.0.0/16."
  }
}

variable "service_prefix" {
  type        = string
  default     = null
  description = <<-EOT
    What the services' names begin with. In aws-cn it differs by service; look them up by `aws ec2
    describe-vpc-endpoint-services` and deploy this template once for each prefix.
  EOT

  validation {
    condition     = var.service_prefix == null ? true : can(regex("^(cn\\.)?com\\.amazonaws$", var.service_prefix))
    error_message = "service_prefix: com.amazonaws or cn.com.amazonaws."
  }
}

variable "ecr_api" {
  type        = bool
  default     = null
  description = <<-EOT
    Interface endpoint for ecr.api (pulling the image: names and tokens). A VPC takes one private name
    only once, so false if it has this endpoint.
  EOT
}

variable "ecr_dkr" {
  type        = bool
  default     = null
  description = <<-EOT
    Interface endpoint for ecr.dkr (pulling the image: manifests). A VPC takes one private name only
    once, so false if it has this endpoint.
  EOT
}

variable "logs" {
  type        = bool
  default     = null
  description = <<-EOT
    Interface endpoint for logs (log lines, and the metrics in them). A VPC takes one private name only
    once, so false if it has this endpoint.
  EOT
}

variable "sqs" {
  type        = bool
  default     = null
  description = <<-EOT
    Interface endpoint for sqs (the queue of events). A VPC takes one private name only once, so false
    if it has this endpoint.
  EOT
}

variable "ssm" {
  type        = bool
  default     = null
  description = <<-EOT
    Interface endpoint for ssm (the configuration, read when a task starts). A VPC takes one private
    name only once, so false if it has this endpoint.
  EOT
}

variable "load_balancing" {
  type        = bool
  default     = null
  description = <<-EOT
    Interface endpoint for elasticloadbalancing (reading and moving target groups; a relay task does not
    need it). A VPC takes one private name only once, so false if it has this endpoint.
  EOT
}

variable "rds" {
  type        = bool
  default     = null
  description = <<-EOT
    Interface endpoint for rds (needed with discovery rds, and for check). A VPC takes one private name
    only once, so false if it has this endpoint.
  EOT
}

variable "s3" {
  type        = bool
  default     = null
  description = <<-EOT
    Gateway endpoint for s3 (layers of the image come from S3). A VPC takes one private name only once,
    so false if it has this endpoint.
  EOT
}

variable "dynamo_db" {
  type        = bool
  default     = null
  description = <<-EOT
    Gateway endpoint for dynamodb (the ledger). A VPC takes one private name only once, so false if it
    has this endpoint.
  EOT
}

# Redis Cloud RDI reads changes of a database through an endpoint service.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "vpc_id" {
  type        = string
  description = "The VPC of the database and of the worker."
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets in each Availability Zone where the writer may be."
}

variable "vpc_cidr" {
  type        = string
  description = "The range of the VPC."
}

variable "image" {
  type        = string
  description = "The image of writerlink by digest."
}

variable "source_arn" {
  type        = string
  description = "The ARN of the DB cluster or DB instance."
}

variable "deployment_role_arn" {
  type        = string
  description = "The role that runs Terraform."
}

variable "operator_arn" {
  type        = string
  description = "Who operates writerlink: an IAM role or user."
}

variable "alarm_topic_arn" {
  type        = string
  description = "The SNS topic that alarms notify."
}

variable "redis_principal_arn" {
  type        = string
  description = "The principal that Redis Cloud shows while a private connection is set up."
}

module "privatelink" {
  source             = "../../privatelink"
  stack_name         = "orders-privatelink"
  name               = "orders"
  vpc_id             = var.vpc_id
  subnet_ids         = var.subnet_ids
  database_cidr      = var.vpc_cidr
  allowed_principals = [var.redis_principal_arn]
}

module "worker" {
  source                    = "../../worker"
  image                     = var.image
  vpc_id                    = var.vpc_id
  subnet_ids                = var.subnet_ids
  deployment_principal_arns = [var.deployment_role_arn]
  alarm_topic_arn           = var.alarm_topic_arn
}

module "people" {
  source                 = "../../people"
  stack_name             = "writerlink-people"
  writerlink_stack       = module.worker.stack_name
  operator_principal_arn = var.operator_arn
}

module "grants" {
  source            = "../../grants"
  stack_name        = "writerlink-grants"
  writerlink_stack  = module.worker.stack_name
  target_group_arns = [module.privatelink.target_group_arn]
  # The policy is attached to the operator's role too, by its name.
  depends_on = [module.people]
}

module "route" {
  source           = "../../route"
  stack_name       = "writerlink-orders"
  writerlink_stack = module.worker.stack_name
  route_name       = "orders"
  source_arn       = var.source_arn
  alarm_topic_arn  = var.alarm_topic_arn
  # The queue of the rule names the operator's role.
  depends_on = [module.people]
}

output "service_name" {
  value       = module.privatelink.service_name
  description = "What the consumer connects to."
}

output "target_group_arn" {
  value       = module.privatelink.target_group_arn
  description = "route.target_group in writerlink.toml."
}

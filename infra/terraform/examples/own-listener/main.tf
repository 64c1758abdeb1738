# A load balancer that Terraform manages itself, for a route with strategy "weighted". The worker writes the weights of the
# default action at each failover; without ignore_changes the next apply would write the old ones back.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "load_balancer_arn" {
  type        = string
  description = "The Network Load Balancer."
}

variable "instance_groups" {
  type        = list(string)
  description = "The target groups of the instances, one each; the writer's first."
}

resource "aws_lb_listener" "orders" {
  load_balancer_arn = var.load_balancer_arn
  port              = 3306
  protocol          = "TCP"

  default_action {
    type = "forward"
    forward {
      target_group {
        arn    = var.instance_groups[0]
        weight = 1
      }
      target_group {
        arn    = var.instance_groups[1]
        weight = 0
      }
    }
  }

  lifecycle {
    ignore_changes = [default_action]
  }
}

module "grants" {
  source              = "../../grants"
  stack_name          = "writerlink-grants"
  listener_arns       = [aws_lb_listener.orders.arn]
  instance_group_arns = var.instance_groups
}

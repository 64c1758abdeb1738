output "stack_name" {
  value       = aws_cloudformation_stack.this.name
  description = "The name of the stack."
}

output "target_group_arn" {
  value       = aws_cloudformation_stack.this.outputs["TargetGroupArn"]
  description = "For MovesArn of route.yaml and target_group of writerlink.toml."
}

output "listener_arn" {
  value       = aws_cloudformation_stack.this.outputs["ListenerArn"]
  description = "For MovesArn of route.yaml, if the route is weighted."
}

output "security_group_id" {
  value       = aws_cloudformation_stack.this.outputs["SecurityGroupId"]
  description = "The database's security group has to let this one in, on the database's port."
}

output "service_name" {
  value       = aws_cloudformation_stack.this.outputs["ServiceName"]
  description = "What a consumer creates its endpoint to."
}

output "stack_name" {
  value       = aws_cloudformation_stack.this.name
  description = "The name of the stack."
}

output "security_group_id" {
  value       = aws_cloudformation_stack.this.outputs["SecurityGroupId"]
  description = "The databases' security groups have to let this one in."
}

output "relay_role_arn" {
  value       = aws_cloudformation_stack.this.outputs["RelayRoleArn"]
  description = "What the agents run as."
}

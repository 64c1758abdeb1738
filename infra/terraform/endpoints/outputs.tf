output "stack_name" {
  value       = aws_cloudformation_stack.this.name
  description = "The name of the stack."
}

output "security_group_id" {
  value       = aws_cloudformation_stack.this.outputs["SecurityGroupId"]
  description = "The endpoints' security group."
}

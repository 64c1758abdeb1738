output "stack_name" {
  value       = aws_cloudformation_stack.this.name
  description = "The name of the stack."
}

output "reader_role_arn" {
  value       = aws_cloudformation_stack.this.outputs["ReaderRoleArn"]
  description = "The role for reading the audit."
}

output "operator_role_arn" {
  value       = aws_cloudformation_stack.this.outputs["OperatorRoleArn"]
  description = "The role for operators."
}

output "stack_name" {
  value       = aws_cloudformation_stack.this.name
  description = "The name of the stack."
}

output "login_policy_arn" {
  value       = aws_cloudformation_stack.this.outputs["LoginPolicyArn"]
  description = "The policy, for `aws iam get-policy-version`."
}

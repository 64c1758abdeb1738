output "stack_name" {
  value       = aws_cloudformation_stack.this.name
  description = "The name of the stack."
}

output "rule_arn" {
  value       = aws_cloudformation_stack.this.outputs["RuleArn"]
  description = "The rule, for `aws events describe-rule` and for drills."
}

output "rule_dead_letter_queue_url" {
  value       = aws_cloudformation_stack.this.outputs["RuleDeadLetterQueueUrl"]
  description = "Where events are that EventBridge could not deliver."
}

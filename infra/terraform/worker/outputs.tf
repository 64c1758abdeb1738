output "stack_name" {
  value       = aws_cloudformation_stack.this.name
  description = "The name of the stack."
}

output "name" {
  value       = aws_cloudformation_stack.this.outputs["Name"]
  description = "The name that a route's rule begins with."
}

output "queue_arn" {
  value       = aws_cloudformation_stack.this.outputs["QueueArn"]
  description = "Where rules send events."
}

output "key_arn" {
  value       = aws_cloudformation_stack.this.outputs["KeyArn"]
  description = "What encrypts the dead-letter queues of rules."
}

output "worker_role_name" {
  value       = aws_cloudformation_stack.this.outputs["WorkerRoleName"]
  description = "Is given what grants.yaml names."
}

output "state_table_arn" {
  value       = aws_cloudformation_stack.this.outputs["StateTableArn"]
  description = "StateTableArn of the stack."
}

output "deployment_principal_arns" {
  value       = aws_cloudformation_stack.this.outputs["DeploymentPrincipalArns"]
  description = "May change the queues of routes too."
}

output "queue_url" {
  value       = aws_cloudformation_stack.this.outputs["QueueUrl"]
  description = "For writerlink.toml, if the name is not enough."
}

output "log_group_name" {
  value       = aws_cloudformation_stack.this.outputs["LogGroupName"]
  description = "Where the worker's lines are."
}

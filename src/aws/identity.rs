//! Who calls, by AWS's own word.

use aws_sdk_sts::Client;

use super::error::{call_error, invalid};
use crate::ports::CallError;

const CALL: &str = "GetCallerIdentity";

/// The ARN of whoever's credentials these are. The call needs no permission, not even one that a policy denies
/// (STS API Reference, "`GetCallerIdentity`").
///
/// # Errors
/// When STS cannot be asked, or does not know the credentials.
pub async fn caller(client: &Client) -> Result<String, CallError> {
    let asked = client.get_caller_identity().send().await;
    let identity = asked.map_err(|error| call_error(CALL, &error))?;
    let arn = identity.arn.filter(|arn| !arn.is_empty());
    arn.ok_or_else(|| {
        let message = "STS named no ARN".to_owned();
        invalid(CALL, "NoArn", message)
    })
}

//! What kind of failure an error of DynamoDB is, told by its code.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

use crate::ports::{CallError, ErrorKind};

/// Classifies a failed call.
pub(super) fn classify<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default();
    let kind = match error {
        SdkError::ConstructionFailure(_) => ErrorKind::Invalid,
        SdkError::ServiceError(service) if service.raw().status().is_server_error() => {
            ErrorKind::Unreachable
        }
        SdkError::ServiceError(_) => kind_of(code),
        // No reply, or one that cannot be read: the call may have taken effect.
        _ => ErrorKind::Unreachable,
    };
    let message = match error.message() {
        Some(message) => message.to_owned(),
        None => DisplayErrorContext(error).to_string(),
    };
    let request_id = error.request_id().map(str::to_owned);
    CallError {
        call,
        kind,
        code: code.to_owned(),
        message,
        request_id,
    }
}

fn kind_of(code: &str) -> ErrorKind {
    match code {
        "ThrottlingException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "TransactionConflictException" => ErrorKind::Throttled,
        "AccessDeniedException"
        | "UnrecognizedClientException"
        | "MissingAuthenticationTokenException"
        | "InvalidSignatureException"
        | "IncompleteSignatureException"
        | "ExpiredTokenException" => ErrorKind::Denied,
        "ResourceNotFoundException" => ErrorKind::Missing,
        // The first request with this token is still being worked on: it may yet take effect.
        "TransactionInProgressException" => ErrorKind::Unreachable,
        _ => ErrorKind::Invalid,
    }
}

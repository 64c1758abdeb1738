//! The one place where an error of AWS becomes a [`CallError`]: by code and status, never by English.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use writerlink_engine::ports::{CallError, ErrorKind, NO_CREDENTIALS, Reply};

/// What stands before the SQS codes of the old query protocol, which the header `x-amzn-query-error` still
/// brings and the SDK prefers to the new spelling.
const SQS_PREFIX: &str = "AWS.SimpleQueueService.";

/// Refused for its rate, or because another request was in the way: nothing was done, try again. The first
/// fourteen are the SDK's own list (`aws_runtime::retries::classifiers::THROTTLING_ERRORS`).
const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    // SQS: its own limits, and its key's.
    "OverLimit",
    "KmsThrottled",
    "KMS.ThrottlingException",
    // DynamoDB: a plain write met a transaction.
    "TransactionConflictException",
    "ThrottlingError",
];

/// No answer to rely on: the call may or may not have taken effect.
const UNREACHABLE: &[&str] = &[
    // The SDK's own list (`TRANSIENT_ERRORS`).
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    // ELBv2: "The health of the specified targets could not be retrieved due to an internal error."
    "HealthUnavailable",
];

/// Refused for want of permission, or for credentials or a clock that do not hold.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "NotAuthorized",
    "AuthFailure",
    "OptInRequired",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    // SQS.
    "InvalidSecurity",
    "KmsAccessDenied",
    "KmsOptInRequired",
    "KMS.AccessDeniedException",
    "KMS.OptInRequired",
];

/// What the call names does not exist.
const MISSING: &[&str] = &[
    "QueueDoesNotExist",
    "NonExistentQueue",
    "KmsNotFound",
    "KMS.NotFoundException",
    "TargetGroupNotFound",
    "LoadBalancerNotFound",
    "ListenerNotFound",
    "ResourceNotFoundException",
    "TableNotFoundException",
    "DBClusterNotFoundFault",
    "DBInstanceNotFound",
    "DBInstanceNotFoundFault",
];

/// Classifies what a call met. `call` is the API's name of it.
pub fn call_error<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if is_nobodys(error) {
        return CallError {
            code: NO_CREDENTIALS.to_owned(),
            ..CallError::without_a_reply(
                call,
                ErrorKind::Denied,
                "no credentials found, neither in the environment nor in a profile, nor those of a task or machine",
            )
        };
    }
    CallError {
        call,
        kind: kind(error),
        code: error.code().unwrap_or_default().to_owned(),
        message: error.message().map_or_else(|| with_sources(error), str::to_owned),
        request_id: error.request_id().map(str::to_owned),
    }
}

/// What a call gave, with the request id of its reply.
pub fn reply<T>(output: &impl RequestId, value: T) -> Reply<T> {
    Reply { value, request_id: output.request_id().map(str::to_owned) }
}

/// A refusal of ours, before or after the service was asked: what it was given, or gave, cannot be.
#[must_use]
pub fn invalid(call: &'static str, code: &str, message: String) -> CallError {
    CallError { code: code.to_owned(), ..CallError::without_a_reply(call, ErrorKind::Invalid, message) }
}

fn kind<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> ErrorKind {
    match error {
        SdkError::ConstructionFailure(_) => ErrorKind::Invalid,
        SdkError::DispatchFailure(failure) => {
            failure.as_connector_error().map_or(ErrorKind::Unreachable, unsent)
        }
        SdkError::ServiceError(service) => refused(service.err().code(), service.raw().status().as_u16()),
        // A time-out, or a reply that cannot be read: it may have taken effect. (The SDK's enum may grow.)
        _ => ErrorKind::Unreachable,
    }
}

/// Whether nobody said who makes the call: to the SDK that is a request which could not be dispatched.
fn is_nobodys<E>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::DispatchFailure(failure) = error else {
        return false;
    };
    let connecting = failure.as_connector_error();
    matches!(connecting.and_then(of_credentials), Some(CredentialsError::CredentialsNotLoaded(_)))
}

fn of_credentials(error: &ConnectorError) -> Option<&CredentialsError> {
    sources(error).find_map(|cause| cause.downcast_ref())
}

/// The kind of a request that never got a reply. A client whose credentials cannot be had looks like one, too.
fn unsent(error: &ConnectorError) -> ErrorKind {
    if error.is_user() {
        return ErrorKind::Invalid;
    }
    match of_credentials(error) {
        Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)) => {
            ErrorKind::Denied
        }
        // Any other failure of a provider may be its endpoint's bad minute, and is worth another try.
        Some(_) | None => ErrorKind::Unreachable,
    }
}

/// The kind of a refusal: by its code where we know it, else by the class of its HTTP status.
fn refused(code: Option<&str>, status: u16) -> ErrorKind {
    let code = code.unwrap_or_default();
    let plain = code.strip_prefix(SQS_PREFIX).unwrap_or(code);
    let known = [
        (THROTTLED, ErrorKind::Throttled),
        (UNREACHABLE, ErrorKind::Unreachable),
        (DENIED, ErrorKind::Denied),
        (MISSING, ErrorKind::Missing),
    ]
    .into_iter()
    .find_map(|(codes, kind)| codes.contains(&plain).then_some(kind));
    known.unwrap_or(match status {
        500.. => ErrorKind::Unreachable,
        429 => ErrorKind::Throttled,
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::Missing,
        _ => ErrorKind::Invalid,
    })
}

/// The error and everything behind it.
fn sources<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// Every sentence of the chain: the SDK's own says no more than "dispatch failure".
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let sentences: Vec<String> = sources(error).map(ToString::to_string).collect();
    sentences.join(": ")
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    type Failure = SdkError<ErrorMetadata, HttpResponse>;

    fn answered(code: &str, status: u16) -> CallError {
        let metadata = ErrorMetadata::builder().code(code).message("said so").build();
        let status = StatusCode::try_from(status).unwrap();
        let mut response = HttpResponse::new(status, SdkBody::empty());
        response.headers_mut().insert("x-amzn-requestid", "r-1");
        call_error("Call", &Failure::service_error(metadata, response))
    }

    fn kind_of(code: &str) -> ErrorKind {
        answered(code, 400).kind
    }

    fn unsent(error: ConnectorError) -> CallError {
        call_error("Call", &Failure::dispatch_failure(error))
    }

    #[test]
    fn an_answer_keeps_its_code_message_and_request_id() {
        let error = answered("TargetGroupNotFound", 400);
        assert_eq!(error.code, "TargetGroupNotFound");
        assert_eq!(error.message, "said so");
        assert_eq!(error.request_id.as_deref(), Some("r-1"));
    }

    #[test]
    fn the_code_decides_and_not_the_status() {
        // SQS and DynamoDB throttle with 400, SQS times a request out with 400.
        assert_eq!(kind_of("RequestThrottled"), ErrorKind::Throttled);
        assert_eq!(kind_of("ProvisionedThroughputExceededException"), ErrorKind::Throttled);
        assert_eq!(kind_of("RequestTimeout"), ErrorKind::Unreachable);
        assert_eq!(kind_of("InvalidClientTokenId"), ErrorKind::Denied);
        assert_eq!(kind_of("TargetGroupNotFound"), ErrorKind::Missing);
        assert_eq!(answered("ThrottlingException", 503).kind, ErrorKind::Throttled);
    }

    #[test]
    fn both_spellings_of_an_sqs_code_are_one() {
        assert_eq!(kind_of("QueueDoesNotExist"), ErrorKind::Missing);
        assert_eq!(kind_of("AWS.SimpleQueueService.NonExistentQueue"), ErrorKind::Missing);
    }

    #[test]
    fn a_code_we_do_not_know_is_judged_by_its_status() {
        let kind = |status| answered("SomethingNew", status).kind;
        assert_eq!(kind(400), ErrorKind::Invalid);
        assert_eq!(kind(403), ErrorKind::Denied);
        assert_eq!(kind(404), ErrorKind::Missing);
        assert_eq!(kind(429), ErrorKind::Throttled);
        assert_eq!(kind(500), ErrorKind::Unreachable);
        assert_eq!(kind(503), ErrorKind::Unreachable);
    }

    #[test]
    fn a_call_without_an_answer_is_unreachable_and_says_why() {
        let error = unsent(ConnectorError::io("connection reset by peer".into()));
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert_eq!(error.code, "");
        assert_eq!(error.request_id, None);
        assert!(error.message.ends_with("connection reset by peer"), "{}", error.message);

        let error = call_error("Call", &Failure::timeout_error("too slow"));
        assert_eq!(error.kind, ErrorKind::Unreachable);
    }

    #[test]
    fn missing_credentials_are_denied_and_a_failed_provider_is_unreachable() {
        let without = CredentialsError::not_loaded_no_source();
        let error = unsent(ConnectorError::other(without.into(), None));
        assert_eq!(error.kind, ErrorKind::Denied);
        assert_eq!(error.code, NO_CREDENTIALS);
        assert!(error.message.starts_with("no credentials found"), "{error}");

        let failed = CredentialsError::provider_error("503 from the task's endpoint");
        let error = unsent(ConnectorError::other(failed.into(), None));
        assert_eq!(error.kind, ErrorKind::Unreachable);
    }

    #[test]
    fn a_request_that_cannot_be_built_is_invalid() {
        let error = call_error("Call", &Failure::construction_failure("no queue url"));
        assert_eq!(error.kind, ErrorKind::Invalid);
    }
}

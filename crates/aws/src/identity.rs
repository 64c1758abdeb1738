//! Who calls, by AWS's own word.

use std::sync::{Arc, Mutex};

use aws_sdk_sts::Client;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

use crate::error::{call_error, invalid};
use writerlink_core::model::time::Timestamp;
use writerlink_engine::ports::installation::{ClockReading, Identity, Unseen};
use writerlink_engine::ports::{CallError, Clock};

const CALL: &str = "GetCallerIdentity";

/// The ARN of whoever's credentials these are. The call needs no permission, not even one that a policy denies
/// (STS API Reference, "`GetCallerIdentity`").
///
/// # Errors
/// When STS cannot be asked, or does not know the credentials.
pub async fn caller(client: &Client) -> Result<String, CallError> {
    let asked = client.get_caller_identity().send().await;
    let identity = asked.map_err(|error| call_error(CALL, &error))?;
    named(identity.arn)
}

fn named(arn: Option<String>) -> Result<String, CallError> {
    arn.filter(|arn| !arn.is_empty()).ok_or_else(|| {
        let message = "STS named no ARN".to_owned();
        invalid(CALL, "NoArn", message)
    })
}

/// The same, and what time it is there: every reply of AWS has a `Date`.
pub(super) async fn seen(client: &Client, clock: &dyn Clock) -> Identity {
    let date = Date::default();
    let before = clock.wall();
    let asked = client.get_caller_identity().customize();
    let asked = asked.interceptor(date.clone()).send().await;
    let after = clock.wall();
    let arn = match asked {
        Ok(identity) => named(identity.arn),
        Err(error) => Err(call_error(CALL, &error)),
    };
    let said = date.read().ok_or(NO_DATE);
    Identity { arn: arn.map_err(Unseen::from), clock: said.map(|said| ClockReading { before, said, after }) }
}

/// Where there was no reply, or none with a time in it.
const NO_DATE: Unseen = Unseen::NotHere("no reply of AWS with a Date");

/// Keeps the `Date` of the last reply, a refusal included.
#[derive(Clone, Debug, Default)]
struct Date(Arc<Mutex<Option<String>>>);

impl Date {
    fn read(&self) -> Option<Timestamp> {
        let text = self.0.lock().ok()?.clone()?;
        let date = DateTime::from_str(&text, Format::HttpDate).ok()?;
        let millis = date.to_millis().ok()?;
        Some(Timestamp::from_millis(millis))
    }
}

#[dyn_dispatch_hint]
impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let (Some(date), Ok(mut kept)) = (date, self.0.lock()) {
            *kept = Some(date.to_owned());
        }
        Ok(())
    }
}

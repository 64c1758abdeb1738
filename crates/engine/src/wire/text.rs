//! Values of the domain that are one JSON string, for `#[serde(with = ..)]`: the domain itself knows no serde.

use std::fmt::Display;
use std::net::SocketAddr;

use writerlink_core::actuation::health::ServingState;
use writerlink_core::evidence::event::EventKey;
use writerlink_core::model::ids::{Owner, TransitionId};
use writerlink_core::model::names::InstanceId;
use writerlink_core::model::outcome::Outcome;
use writerlink_core::model::reason::Reason;
use writerlink_core::model::target::{MoveMode, Target};
use writerlink_core::model::time::Timestamp;

/// A value that its text, as displayed, tells in full.
pub(super) trait Textual: Display + Sized {
    /// Reads the text; `None` when it is not one of such a value.
    fn read(text: &str) -> Option<Self>;
}

macro_rules! textual {
    ($($value:ty: $read:expr;)+) => {$(
        impl Textual for $value {
            fn read(text: &str) -> Option<Self> {
                $read(text)
            }
        }
    )+};
}

textual! {
    ServingState: Self::parse;
    EventKey: Self::parse;
    InstanceId: |text| Self::new(text).ok();
    Outcome: Self::parse;
    Owner: |text| Some(Self::new(text));
    MoveMode: Self::parse;
    Reason: Self::parse;
    Target: |text: &str| text.parse().ok().map(|at: SocketAddr| Self { ip: at.ip(), port: at.port() });
    Timestamp: Self::parse;
    TransitionId: Self::parse;
}

/// One value as one string.
pub(super) mod string {
    use super::Textual;
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &impl Textual, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: Textual, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        read(&String::deserialize(from)?)
    }

    pub(super) fn read<T: Textual, E: Error>(text: &str) -> Result<T, E> {
        let expected = std::any::type_name::<T>();
        T::read(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &expected))
    }
}

/// A string or nothing. The field takes `default` and `skip_serializing_if` besides.
pub(super) mod optional {
    use super::Textual;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<impl Textual>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T: Textual, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
        Option::<String>::deserialize(from)?.map(|text| super::string::read(&text)).transpose()
    }
}

/// Several strings.
pub(super) mod list {
    use super::Textual;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<'a, C, S: Serializer>(list: &'a C, to: S) -> Result<S::Ok, S::Error>
    where
        &'a C: IntoIterator<Item: ToString>,
    {
        to.collect_seq(list.into_iter().map(|value| value.to_string()))
    }

    pub(crate) fn deserialize<'de, C, D: Deserializer<'de>>(from: D) -> Result<C, D::Error>
    where
        C: IntoIterator<Item: Textual> + FromIterator<C::Item>,
    {
        Vec::<String>::deserialize(from)?.iter().map(|text| super::string::read(text)).collect()
    }
}

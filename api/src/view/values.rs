//! Values as clients see them: names of objects, times, durations, labels.

use chrono::{DateTime, SecondsFormat, Utc};
use entities::{Href, Prn};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::schema::{nullable, simple, text};

/// The href of an object, or of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Link(pub Href);

/// The PRN of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name(pub Prn);

/// A time, as RFC 3339 in UTC with microseconds (R31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub DateTime<Utc>);

/// Microseconds, as `[<days> ]HH:MM:SS[.ffffff]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub i64);

/// Labels: a map of texts (R20).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Labels(pub Value);

/// A secret that is never shown: only whether it is set (D02).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hidden {
    /// The name of the field.
    pub name: &'static str,
    /// Whether it has a value.
    pub is_set: bool,
}

/// `hidden_fields`: which of the secrets are set.
pub fn hidden<const N: usize>(secrets: [(&'static str, bool); N]) -> Vec<Hidden> {
    secrets.into_iter().map(|(name, is_set)| Hidden { name, is_set }).collect()
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, rest) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        let (days, seconds) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        if days != 0 {
            write!(f, "{days} ")?;
        }
        write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if rest != 0 { write!(f, ".{rest:06}") } else { Ok(()) }
    }
}

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Time {
        Time(time)
    }
}

macro_rules! schema {
    ($type:ty, $schema:expr) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                Schema::from($schema).into()
            }
        }
        impl ToSchema for $type {}
    };
}

schema!(Link, text(Some("uri")));
schema!(Name, text(None));
schema!(Time, text(Some("date-time")));
schema!(Duration, text(None));

impl PartialSchema for Labels {
    fn schema() -> RefOr<Schema> {
        let values = nullable(simple(Type::String, None));
        Schema::from(ObjectBuilder::new().additional_properties(Some(values))).into()
    }
}

impl ToSchema for Labels {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_django_writes_them() {
        let shown = |micros: i64| Duration(micros).to_string();
        assert_eq!(shown(0), "00:00:00");
        assert_eq!(shown(3_661_000_001), "01:01:01.000001");
        assert_eq!(shown(2 * 86_400_000_000 + 60_000_000), "2 00:01:00");
    }

    #[test]
    fn times_have_microseconds() {
        let time = DateTime::parse_from_rfc3339("2024-01-02T03:04:05Z").unwrap().to_utc();
        assert_eq!(serde_json::to_value(Time(time)).unwrap(), "2024-01-02T03:04:05.000000Z");
    }
}

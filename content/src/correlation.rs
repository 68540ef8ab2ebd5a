//! The correlation id of a request (R33).

use http::{HeaderMap, HeaderName};
use uuid::Uuid;

/// Carries the id in requests and answers.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("correlation-id");

/// The client's id, if it is a UUID with or without dashes; otherwise a new one.
pub(crate) fn id(headers: &HeaderMap) -> String {
    headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|value| matches!(value.len(), 32 | 36) && Uuid::try_parse(value).is_ok())
        .map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &str) -> String {
        id(&HeaderMap::from_iter([(HEADER, value.parse().unwrap())]))
    }

    #[test]
    fn only_uuids_are_kept() {
        for kept in ["0123456789ABCDEF0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"] {
            assert_eq!(given(kept), kept);
        }
        for replaced in
            ["", "x", "{01234567-89ab-cdef-0123-456789abcdef}", "zz34567890abcdef0123456789abcdef"]
        {
            assert_ne!(given(replaced), replaced);
            assert_eq!(given(replaced).len(), 32);
        }
    }
}

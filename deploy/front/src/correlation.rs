//! Correlation ids: one per request, sent back, logged, and handed on to the task (R33).

use http::{HeaderMap, HeaderName};
use uuid::Uuid;

/// The header that carries the id in requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("correlation-id");

/// The client's id if it is a UUID, with or without dashes; otherwise a new one.
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

    #[test]
    fn only_uuids_are_kept() {
        let given = |value: &str| id(&HeaderMap::from_iter([(HEADER, value.parse().unwrap())]));
        for kept in ["0123456789ABCDEF0123456789abcdef", "01234567-89ab-cdef-ABCD-ef0123456789"] {
            assert_eq!(given(kept), kept);
        }
        for replaced in [
            "",
            "abc",
            "{01234567-89ab-cdef-0123-456789abcdef}",
            "zz34567890abcdef0123456789abcdef",
            "0123456789abcdefabcdef01234567-9",
        ] {
            let new = given(replaced);
            assert!(new != replaced && new.len() == 32, "{replaced}");
        }
    }
}

//! Correlation ids: one per request, echoed, logged, and handed on to the task (R33).

use uuid::Uuid;

/// The header's name.
pub const HEADER: &str = "correlation-id";

/// The client's id if it is 32 hexadecimal digits or a UUID, else a new one.
pub fn accept(given: Option<&str>) -> String {
    match given {
        Some(id) if is_valid(id) => id.to_owned(),
        _ => Uuid::new_v4().simple().to_string(),
    }
}

fn is_valid(id: &str) -> bool {
    let dashes = |at: usize| id.len() == 36 && [8, 13, 18, 23].contains(&at);
    matches!(id.len(), 32 | 36)
        && id.bytes().enumerate().all(|(at, byte)| match dashes(at) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_uuids_and_replaces_the_rest() {
        for id in ["0123456789abcdefABCDEF0123456789", "01234567-89ab-cdef-ABCD-EF0123456789"] {
            assert_eq!(accept(Some(id)), id);
        }
        for id in ["", "abc", "01234567-89ab-cdef-abcd-ef012345678g", "0123456789abcdefabcdef01234567-9"] {
            let new = accept(Some(id));
            assert!(new != id && new.len() == 32, "{id}");
        }
    }
}

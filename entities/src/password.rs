//! Password hashes in Django's own format, so that existing hashes can be copied over.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use subtle::ConstantTimeEq;

/// Rounds of a new hash; Django 5.2's number. Verification takes the number from the hash.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

/// A hash of `password` with a fresh salt: `pbkdf2_sha256$<rounds>$<salt>$<base64>`.
/// Takes a fraction of a second of CPU: call it off the async threads.
pub fn hash(password: &str) -> String {
    let salt: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(22).map(char::from).collect();
    format!("pbkdf2_sha256${ITERATIONS}${salt}${}", derive(password, &salt, ITERATIONS))
}

/// Whether `password` matches a stored hash; false for a hash of another or no format.
/// As expensive as [`hash`], and compares in constant time.
pub fn verify(password: &str, stored: &str) -> bool {
    let parts: Vec<&str> = stored.split('$').collect();
    let ["pbkdf2_sha256", iterations, salt, expected] = parts.as_slice() else {
        return false;
    };
    let Ok(iterations) = iterations.parse() else {
        return false;
    };
    derive(password, salt, iterations).as_bytes().ct_eq(expected.as_bytes()).into()
}

fn derive(password: &str, salt: &str, iterations: NonZeroU32) -> String {
    let mut key = [0; 32];
    pbkdf2::derive(PBKDF2_HMAC_SHA256, iterations, salt.as_bytes(), password.as_bytes(), &mut key);
    STANDARD.encode(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_its_own_hash_and_a_foreign_one() {
        // Computed with Python's hashlib.pbkdf2_hmac.
        let foreign = "pbkdf2_sha256$1000$salt$YywoEuRtRgQQK6dhjp1tfS+BKPYma0oDJk0qBGC33LM=";
        assert!(verify("password", foreign));
        assert!(!verify("Password", foreign));
        for nonsense in ["", "!", "md5$x$y", "pbkdf2_sha256$x$y$z"] {
            assert!(!verify("", nonsense));
        }
        let own = hash("secret");
        assert!(verify("secret", &own) && !verify("other", &own));
    }
}

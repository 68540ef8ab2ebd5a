//! Digests, computed while bytes stream past, and their comparison with what was announced.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::digest::DynDigest;

/// A digest algorithm, by the name of its column and field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// MD5, forbidden by default.
    Md5,
    /// SHA-1, forbidden by default.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256, always computed: it is the identity of an artifact.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All of them, weakest first.
    pub const ALL: [Algorithm; 6] = [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha224,
        Algorithm::Sha256,
        Algorithm::Sha384,
        Algorithm::Sha512,
    ];

    /// The name of the column and field.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha224 => "sha224",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
        }
    }
}

/// The digests of some bytes that are known: lower-case hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digests(BTreeMap<Algorithm, String>);

/// Bytes that are not those that were announced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The length differs.
    #[error("expected {expected} bytes, got {actual}")]
    Size {
        /// What was announced.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// A digest differs.
    #[error("expected {} {expected}, got {actual}", .algorithm.as_str())]
    Digest {
        /// Of this kind.
        algorithm: Algorithm,
        /// What was announced.
        expected: String,
        /// What was computed.
        actual: String,
    },
}

/// What is known of some bytes before they are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Length in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Digests.
    #[serde(flatten)]
    pub digests: Digests,
}

impl Digests {
    /// Only the SHA-256.
    pub fn sha256(digest: impl Into<String>) -> Digests {
        Digests([(Algorithm::Sha256, digest.into())].into())
    }

    /// The SHA-256 that an upstream announces.
    ///
    /// # Errors
    /// If it is not 64 lower-case hexadecimal digits.
    pub fn parse_sha256(digest: &str) -> anyhow::Result<Digests> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        anyhow::ensure!(
            digest.len() == 64 && digest.bytes().all(is_digit),
            "{digest:?} is not a SHA-256 in lower-case hexadecimal"
        );
        Ok(Digests::sha256(digest))
    }

    /// The digest of one algorithm.
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.0.get(&algorithm).map(String::as_str)
    }

    /// Sets the digest of one algorithm.
    pub fn set(&mut self, algorithm: Algorithm, digest: impl Into<String>) {
        self.0.insert(algorithm, digest.into());
    }
}

/// Columns of digests, in the order of [`Algorithm::ALL`].
impl From<[Option<String>; 6]> for Digests {
    fn from(columns: [Option<String>; 6]) -> Digests {
        let known = Algorithm::ALL.into_iter().zip(columns);
        Digests(known.filter_map(|(algorithm, digest)| Some((algorithm, digest?))).collect())
    }
}

/// Computes the allowed digests of bytes as they come.
#[derive(Clone)]
pub struct Digester {
    size: u64,
    running: BTreeMap<Algorithm, Box<dyn Running>>,
}

/// A digest that is being computed.
trait Running: DynDigest + Send + Sync {
    fn boxed_clone(&self) -> Box<dyn Running>;
    fn finish(self: Box<Self>) -> Box<[u8]>;
}

impl<D: DynDigest + Clone + Send + Sync + 'static> Running for D {
    fn boxed_clone(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn finish(self: Box<Self>) -> Box<[u8]> {
        self.finalize()
    }
}

impl Clone for Box<dyn Running> {
    fn clone(&self) -> Box<dyn Running> {
        (**self).boxed_clone()
    }
}

impl Algorithm {
    fn start(self) -> Box<dyn Running> {
        match self {
            Algorithm::Md5 => Box::new(md5::Md5::default()),
            Algorithm::Sha1 => Box::new(sha1::Sha1::default()),
            Algorithm::Sha224 => Box::new(sha2::Sha224::default()),
            Algorithm::Sha256 => Box::new(sha2::Sha256::default()),
            Algorithm::Sha384 => Box::new(sha2::Sha384::default()),
            Algorithm::Sha512 => Box::new(sha2::Sha512::default()),
        }
    }
}

impl Digester {
    /// A digester of the `allowed` algorithms (setting `ALLOWED_CONTENT_CHECKSUMS`), and SHA-256 in any case.
    pub fn new(allowed: &BTreeSet<Algorithm>) -> Digester {
        let wanted = allowed.iter().copied().chain([Algorithm::Sha256]);
        Digester { size: 0, running: wanted.map(|algorithm| (algorithm, algorithm.start())).collect() }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        for digest in self.running.values_mut() {
            digest.update(bytes);
        }
    }

    /// How many bytes came so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digests of all the bytes. SHA-256 is always there.
    pub fn finish(self) -> Digests {
        let finish = |(algorithm, digest): (_, Box<dyn Running>)| (algorithm, hex::encode(digest.finish()));
        Digests(self.running.into_iter().map(finish).collect())
    }
}

impl std::fmt::Debug for Digester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digester").field("size", &self.size).field("running", &self.running.keys()).finish()
    }
}

impl Expected {
    /// Compares with what came (D09). Digests that are not known on both sides are passed over.
    pub fn check(&self, size: u64, actual: &Digests) -> Result<(), Mismatch> {
        if let Some(expected) = self.size.filter(|expected| *expected != size) {
            return Err(Mismatch::Size { expected, actual: size });
        }
        for algorithm in Algorithm::ALL {
            if let (Some(expected), Some(actual)) = (self.digests.get(algorithm), actual.get(algorithm))
                && !expected.eq_ignore_ascii_case(actual)
            {
                let (expected, actual) = (expected.to_owned(), actual.to_owned());
                return Err(Mismatch::Digest { algorithm, expected, actual });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests_of_abc() {
        let mut digester = Digester::new(&Algorithm::ALL.into());
        digester.update(b"a");
        digester.update(b"bc");
        assert_eq!(digester.size(), 3);
        let digests = digester.finish();
        assert_eq!(digests.get(Algorithm::Md5), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(digests.get(Algorithm::Sha1), Some("a9993e364706816aba3e25717850c26c9cd0d89d"));
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digests.get(Algorithm::Sha256), Some(sha256));
        assert!(
            Expected { size: Some(3), digests: Digests::sha256(sha256.to_uppercase()) }
                .check(3, &digests)
                .is_ok()
        );
        assert!(Expected { size: Some(4), digests: Digests::default() }.check(3, &digests).is_err());
        assert!(Expected { size: None, digests: Digests::sha256("00") }.check(3, &digests).is_err());
    }

    #[test]
    fn forbidden_digests_are_not_computed() {
        let digests = Digester::new(&BTreeSet::new()).finish();
        assert_eq!(digests.get(Algorithm::Md5), None);
        assert!(digests.get(Algorithm::Sha256).is_some());
    }
    #[test]
    fn expectations_are_written_flat() {
        let expected = Expected { size: Some(3), digests: Digests::sha256("ab") };
        let json = serde_json::json!({"size": 3, "sha256": "ab"});
        assert_eq!(serde_json::to_value(&expected).unwrap(), json);
        assert_eq!(serde_json::from_value::<Expected>(json).unwrap(), expected);
    }
}

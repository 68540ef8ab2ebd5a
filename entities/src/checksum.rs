//! Digests, computed while bytes stream past, and their comparison with what was announced.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

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

/// The digests of some bytes: lower-case hexadecimal, `None` where not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// MD5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// SHA-224.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha224: Option<String>,
    /// SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-384.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha384: Option<String>,
    /// SHA-512.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
}

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
        Digests { sha256: Some(digest.into()), ..Digests::default() }
    }

    /// The digest of one algorithm.
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        match algorithm {
            Algorithm::Md5 => self.md5.as_deref(),
            Algorithm::Sha1 => self.sha1.as_deref(),
            Algorithm::Sha224 => self.sha224.as_deref(),
            Algorithm::Sha256 => self.sha256.as_deref(),
            Algorithm::Sha384 => self.sha384.as_deref(),
            Algorithm::Sha512 => self.sha512.as_deref(),
        }
    }
}

/// Computes the allowed digests of bytes as they come.
#[derive(Clone, Debug)]
pub struct Digester {
    size: u64,
    md5: Option<md5::Md5>,
    sha1: Option<sha1::Sha1>,
    sha224: Option<sha2::Sha224>,
    sha256: sha2::Sha256,
    sha384: Option<sha2::Sha384>,
    sha512: Option<sha2::Sha512>,
}

impl Digester {
    /// A digester of the `allowed` algorithms (setting `ALLOWED_CONTENT_CHECKSUMS`), and SHA-256 in any case.
    pub fn new(allowed: &BTreeSet<Algorithm>) -> Digester {
        fn wanted<D: Default>(allowed: &BTreeSet<Algorithm>, algorithm: Algorithm) -> Option<D> {
            allowed.contains(&algorithm).then(D::default)
        }
        Digester {
            size: 0,
            md5: wanted(allowed, Algorithm::Md5),
            sha1: wanted(allowed, Algorithm::Sha1),
            sha224: wanted(allowed, Algorithm::Sha224),
            sha256: sha2::Sha256::default(),
            sha384: wanted(allowed, Algorithm::Sha384),
            sha512: wanted(allowed, Algorithm::Sha512),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        fn feed<D: sha2::Digest>(digester: &mut Option<D>, bytes: &[u8]) {
            if let Some(digester) = digester {
                digester.update(bytes);
            }
        }
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        feed(&mut self.md5, bytes);
        feed(&mut self.sha1, bytes);
        feed(&mut self.sha224, bytes);
        feed(&mut self.sha384, bytes);
        feed(&mut self.sha512, bytes);
    }

    /// How many bytes came so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digests of all the bytes. `sha256` is always there.
    pub fn finish(self) -> Digests {
        fn hexadecimal<D: sha2::Digest>(digester: Option<D>) -> Option<String> {
            digester.map(|digester| hex::encode(digester.finalize()))
        }
        Digests {
            md5: hexadecimal(self.md5),
            sha1: hexadecimal(self.sha1),
            sha224: hexadecimal(self.sha224),
            sha256: hexadecimal(Some(self.sha256)),
            sha384: hexadecimal(self.sha384),
            sha512: hexadecimal(self.sha512),
        }
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
        assert_eq!(digests.md5.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(digests.sha1.as_deref(), Some("a9993e364706816aba3e25717850c26c9cd0d89d"));
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digests.sha256.as_deref(), Some(sha256));
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
        assert_eq!(digests.md5, None);
        assert!(digests.sha256.is_some());
    }
}

//! Conditional and range requests: what part of a file a client wants, if any (RFC 9110 §13, §14; A11).

use std::ops::Range;
use std::time::SystemTime;

use entities::checksum::{Algorithm, Expected};
use headers::{ETag, HeaderMapExt, IfMatch, IfNoneMatch};
use http::{HeaderMap, HeaderName, header};

/// What is known of a file before its bytes are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// SHA-256 of the bytes, which is their strong ETag.
    pub sha256: Option<String>,
    /// Date of the bytes.
    pub modified: Option<SystemTime>,
    /// Length in bytes.
    pub size: Option<u64>,
}

/// A condition of the client's that is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// The client has these bytes (304).
    NotModified,
    /// The client wants other bytes (412).
    OtherVersion,
}

/// What part of the bytes to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of them (200).
    Whole,
    /// These (206); never empty.
    Bytes(Range<u64>),
    /// There are no such bytes (416).
    Unsatisfiable,
}

impl Known {
    /// What is known of bytes that are announced.
    pub(crate) fn expected(expected: &Expected) -> Known {
        let sha256 = expected.digests.get(Algorithm::Sha256).map(str::to_lowercase);
        Known { sha256, modified: None, size: expected.size }
    }

    /// The ETag, quoted.
    pub(crate) fn etag(&self) -> Option<String> {
        self.sha256.as_ref().map(|digest| format!("\"{digest}\""))
    }

    /// Judges the client's conditions in the order of RFC 9110 §13.2.2, up to its range.
    pub(crate) fn unmet(&self, headers: &HeaderMap) -> Option<Unmet> {
        let etag: Option<ETag> = self.etag().and_then(|etag| etag.parse().ok());
        if let (Some(condition), Some(etag)) = (headers.typed_get::<IfMatch>(), &etag) {
            if !condition.precondition_passes(etag) {
                return Some(Unmet::OtherVersion);
            }
        } else if let (Some(date), Some(modified)) =
            (date(headers, header::IF_UNMODIFIED_SINCE), self.second())
            && modified > date
        {
            return Some(Unmet::OtherVersion);
        }
        if let (Some(condition), Some(etag)) = (headers.typed_get::<IfNoneMatch>(), &etag) {
            if !condition.precondition_passes(etag) {
                return Some(Unmet::NotModified);
            }
        } else if !headers.contains_key(header::IF_NONE_MATCH)
            && let (Some(date), Some(modified)) = (date(headers, header::IF_MODIFIED_SINCE), self.second())
            // Equal, not "at most": after a distribution is turned back to older content, the file is older
            // than the client's and yet another one.
            && modified == date
        {
            return Some(Unmet::NotModified);
        }
        None
    }

    /// The part that a client wants which asks for bytes: its range, if that is for the bytes as they are
    /// now.
    ///
    /// `headers::Range` is too lax for this: it takes a last position before the first one, and a unit in one
    /// case only.
    pub(crate) fn part(&self, headers: &HeaderMap) -> Part {
        let Some(size) = self.size.filter(|_| self.range_applies(headers)) else { return Part::Whole };
        let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(parse);
        match range.map(|range| range.within(size)) {
            None => Part::Whole,
            Some(part) if part.is_empty() => Part::Unsatisfiable,
            Some(part) => Part::Bytes(part),
        }
    }

    /// Whether the client's range is for the bytes as they are now (If-Range).
    fn range_applies(&self, headers: &HeaderMap) -> bool {
        match headers.get(header::IF_RANGE) {
            None => true,
            Some(etag) if etag.as_bytes().first() == Some(&b'"') => {
                self.etag().is_some_and(|known| known.as_bytes() == etag.as_bytes())
            }
            Some(_) => {
                let date = date(headers, header::IF_RANGE);
                date.is_some() && date == self.second()
            }
        }
    }

    /// The date as it is told: in whole seconds.
    fn second(&self) -> Option<u64> {
        self.modified.and_then(seconds)
    }
}

/// One range of a Range header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    /// From a position on, up to and with another one or the end.
    From(u64, Option<u64>),
    /// So many at the end.
    Last(u64),
}

impl Bytes {
    /// The positions in a file of this length; empty if there are none.
    fn within(self, size: u64) -> Range<u64> {
        match self {
            Bytes::From(first, last) => {
                first.min(size)..last.map_or(size, |last| last.saturating_add(1).min(size))
            }
            Bytes::Last(count) => size.saturating_sub(count)..size,
        }
    }
}

/// Reads a single range; anything else is as if it were not there, several ranges too (RFC 9110 §14.2).
fn parse(value: &str) -> Option<Bytes> {
    let (unit, range) = value.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (first, last) {
        ("", last) => Bytes::Last(number(last)?),
        (first, "") => Bytes::From(number(first)?, None),
        (first, last) => Bytes::From(number(first)?, Some(number(last)?)),
    };
    let forward = !matches!(range, Bytes::From(first, Some(last)) if last < first);
    (unit.trim().eq_ignore_ascii_case("bytes") && forward).then_some(range)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    seconds(httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?)
}

fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn known() -> Known {
        Known {
            sha256: Some("abc".into()),
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500)),
            size: Some(10),
        }
    }

    const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const LATER: &str = "Wed, 15 Nov 2023 22:13:20 GMT";
    const EARLIER: &str = "Mon, 13 Nov 2023 22:13:20 GMT";

    fn wanted(headers: &[(&str, &str)]) -> Result<Part, Unmet> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        known().unmet(&headers).map_or_else(|| Ok(known().part(&headers)), Err)
    }

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-0", Part::Bytes(0..1)),
            ("bytes=2-5", Part::Bytes(2..6)),
            ("bytes=2-", Part::Bytes(2..10)),
            ("bytes=2-99999999999999999999999", Part::Bytes(2..10)),
            ("BYTES = 9-9", Part::Bytes(9..10)),
            ("bytes=-3", Part::Bytes(7..10)),
            ("bytes=-30", Part::Bytes(0..10)),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=10-20", Part::Unsatisfiable),
            ("bytes=5-2", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("lines=0-1", Part::Whole),
        ] {
            assert_eq!(wanted(&[("range", range)]), Ok(expected), "{range}");
        }
        let range = HeaderMap::from_iter([(header::RANGE, "bytes=0-".parse().unwrap())]);
        assert_eq!(Known { size: Some(0), ..known() }.part(&range), Part::Unsatisfiable);
        assert_eq!(Known { size: None, ..known() }.part(&range), Part::Whole);
    }

    #[test]
    fn conditions() {
        for (headers, expected) in [
            (&[("if-none-match", "\"abc\"")][..], Err(Unmet::NotModified)),
            (&[("if-none-match", "W/\"abc\", \"x\"")], Err(Unmet::NotModified)),
            (&[("if-none-match", "*")], Err(Unmet::NotModified)),
            (&[("if-none-match", "\"x\"")], Ok(Part::Whole)),
            (&[("if-modified-since", DATE)], Err(Unmet::NotModified)),
            (&[("if-modified-since", LATER)], Ok(Part::Whole)),
            (&[("if-none-match", "\"x\""), ("if-modified-since", DATE)], Ok(Part::Whole)),
            (&[("if-match", "\"abc\"")], Ok(Part::Whole)),
            (&[("if-match", "\"x\"")], Err(Unmet::OtherVersion)),
            (&[("if-unmodified-since", DATE)], Ok(Part::Whole)),
            (&[("if-unmodified-since", EARLIER)], Err(Unmet::OtherVersion)),
            (&[("if-range", "\"abc\""), ("range", "bytes=1-2")], Ok(Part::Bytes(1..3))),
            (&[("if-range", "\"x\""), ("range", "bytes=1-2")], Ok(Part::Whole)),
            (&[("if-range", "W/\"abc\""), ("range", "bytes=1-2")], Ok(Part::Whole)),
            (&[("if-range", DATE), ("range", "bytes=1-2")], Ok(Part::Bytes(1..3))),
            (&[("if-range", LATER), ("range", "bytes=1-2")], Ok(Part::Whole)),
            (&[("if-none-match", "\"abc\""), ("range", "bytes=1-2")], Err(Unmet::NotModified)),
        ] {
            assert_eq!(wanted(headers), expected, "{headers:?}");
        }
    }
}

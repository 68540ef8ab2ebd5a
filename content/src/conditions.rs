//! Conditional and range requests: what part of a file a client wants, if any (RFC 9110 §13, §14; A11).

use std::ops::Range;
use std::time::SystemTime;

use headers::{ETag, HeaderMapExt, IfMatch, IfNoneMatch};
use http::{HeaderMap, HeaderName, Method, header};

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

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it (200).
    Whole,
    /// These bytes (206); never empty.
    Part(Range<u64>),
    /// The client has it (304).
    NotModified,
    /// The client wants another one (412).
    OtherVersion,
    /// There are no such bytes (416).
    NoSuchPart,
}

impl Known {
    /// The ETag, quoted.
    pub(crate) fn etag(&self) -> Option<String> {
        self.sha256.as_ref().map(|digest| format!("\"{digest}\""))
    }

    /// Judges the client's conditions in the order of RFC 9110 §13.2.2, then its range.
    pub(crate) fn wanted(&self, method: &Method, headers: &HeaderMap) -> Wanted {
        let etag: Option<ETag> = self.etag().and_then(|etag| etag.parse().ok());
        if let (Some(condition), Some(etag)) = (headers.typed_get::<IfMatch>(), &etag) {
            if !condition.precondition_passes(etag) {
                return Wanted::OtherVersion;
            }
        } else if let (Some(date), Some(modified)) =
            (date(headers, header::IF_UNMODIFIED_SINCE), self.second())
            && modified > date
        {
            return Wanted::OtherVersion;
        }
        if let (Some(condition), Some(etag)) = (headers.typed_get::<IfNoneMatch>(), &etag) {
            if !condition.precondition_passes(etag) {
                return Wanted::NotModified;
            }
        } else if !headers.contains_key(header::IF_NONE_MATCH)
            && let (Some(date), Some(modified)) = (date(headers, header::IF_MODIFIED_SINCE), self.second())
            // Equal, not "at most": after a distribution is turned back to older content, the file is older than the
            // client's and yet another one.
            && modified == date
        {
            return Wanted::NotModified;
        }
        if *method == Method::GET && self.range_applies(headers) {
            return self.part(headers);
        }
        Wanted::Whole
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

    fn part(&self, headers: &HeaderMap) -> Wanted {
        let Some(size) = self.size else { return Wanted::Whole };
        let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(parse);
        match range.map(|range| range.within(size)) {
            None => Wanted::Whole,
            Some(part) if part.is_empty() => Wanted::NoSuchPart,
            Some(part) => Wanted::Part(part),
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

    fn wanted(headers: &[(&str, &str)]) -> Wanted {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        known().wanted(&Method::GET, &headers)
    }

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-5", Wanted::Part(2..6)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=2-99999999999999999999999", Wanted::Part(2..10)),
            ("BYTES = 9-9", Wanted::Part(9..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=-0", Wanted::NoSuchPart),
            ("bytes=10-", Wanted::NoSuchPart),
            ("bytes=10-20", Wanted::NoSuchPart),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
        ] {
            assert_eq!(wanted(&[("range", range)]), expected, "{range}");
        }
        let range = HeaderMap::from_iter([(header::RANGE, "bytes=0-".parse().unwrap())]);
        assert_eq!(Known { size: Some(0), ..known() }.wanted(&Method::GET, &range), Wanted::NoSuchPart);
        assert_eq!(Known { size: None, ..known() }.wanted(&Method::GET, &range), Wanted::Whole);
        assert_eq!(known().wanted(&Method::HEAD, &range), Wanted::Whole);
    }

    #[test]
    fn conditions() {
        for (headers, expected) in [
            (&[("if-none-match", "\"abc\"")][..], Wanted::NotModified),
            (&[("if-none-match", "W/\"abc\", \"x\"")], Wanted::NotModified),
            (&[("if-none-match", "*")], Wanted::NotModified),
            (&[("if-none-match", "\"x\"")], Wanted::Whole),
            (&[("if-modified-since", DATE)], Wanted::NotModified),
            (&[("if-modified-since", LATER)], Wanted::Whole),
            (&[("if-none-match", "\"x\""), ("if-modified-since", DATE)], Wanted::Whole),
            (&[("if-match", "\"abc\"")], Wanted::Whole),
            (&[("if-match", "\"x\"")], Wanted::OtherVersion),
            (&[("if-unmodified-since", DATE)], Wanted::Whole),
            (&[("if-unmodified-since", EARLIER)], Wanted::OtherVersion),
            (&[("if-range", "\"abc\""), ("range", "bytes=1-2")], Wanted::Part(1..3)),
            (&[("if-range", "\"x\""), ("range", "bytes=1-2")], Wanted::Whole),
            (&[("if-range", "W/\"abc\""), ("range", "bytes=1-2")], Wanted::Whole),
            (&[("if-range", DATE), ("range", "bytes=1-2")], Wanted::Part(1..3)),
            (&[("if-range", LATER), ("range", "bytes=1-2")], Wanted::Whole),
            (&[("if-none-match", "\"abc\""), ("range", "bytes=1-2")], Wanted::NotModified),
        ] {
            assert_eq!(wanted(headers), expected, "{headers:?}");
        }
    }
}

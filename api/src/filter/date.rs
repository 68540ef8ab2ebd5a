//! Times in queries and bodies, in the forms that clients write.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Utc};

use crate::{Error, Result};

/// A time whose zone has no colon or no minutes, as the generated Python clients write it.
fn with_short_zone(text: &str) -> chrono::ParseResult<DateTime<FixedOffset>> {
    let day_and_time = text.replacen(' ', "T", 1).replace(' ', "+");
    DateTime::parse_from_str(&day_and_time, "%Y-%m-%dT%H:%M:%S%.f%#z")
        .or_else(|_| DateTime::parse_from_str(&text.replace(' ', "+"), "%Y-%m-%dT%H:%M:%S%.f%#z"))
}

/// Reads a time; one without a zone is UTC.
///
/// # Errors
/// Names the parameter if it is none.
pub fn parse_date(name: &str, text: &str) -> Result<DateTime<Utc>> {
    // A plus sign that was not escaped arrives as a space.
    let text = text.trim();
    let zoned = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)))
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replace(' ', "+")))
        .or_else(|_| with_short_zone(text));
    if let Ok(date) = zoned {
        return Ok(date.to_utc());
    }
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let naive = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    match naive.or_else(day) {
        Some(date) => Ok(date.and_utc()),
        None => Err(Error::field(name, "Enter a valid date/time.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_in_every_form_that_clients_write() {
        let read = |text: &str| parse_date("at", text).map(|date| date.to_rfc3339()).unwrap_or_default();
        let expected = "2026-11-25T03:57:36.685285+00:00";
        for zone in ["Z", "+00:00", "+0000", "+00", "-0000", " 0000", " 00:00", ""] {
            assert_eq!(read(&format!("2026-11-25T03:57:36.685285{zone}")), expected, "{zone:?}");
            assert_eq!(read(&format!("2026-11-25 03:57:36.685285{zone}")), expected, "{zone:?}");
        }
        assert_eq!(read("2026-11-25T03:57:36+0130"), "2026-11-25T02:27:36+00:00");
        assert_eq!(read("2026-11-25"), "2026-11-25T00:00:00+00:00");
        for wrong in ["", "x", "2026-11-25T03:57:36+0", "2026-11-25T03:57:36+2500", "2026-13-25"] {
            assert_eq!(read(wrong), "", "{wrong}");
        }
    }
}

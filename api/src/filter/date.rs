//! Times in queries and bodies, in the forms that clients write.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use crate::{Error, Result};

/// Reads a time; one without a zone is UTC.
///
/// # Errors
/// Names the parameter if it is none.
pub fn parse_date(name: &str, text: &str) -> Result<DateTime<Utc>> {
    // A plus sign that was not escaped arrives as a space.
    let text = text.trim();
    let zoned = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)))
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replace(' ', "+")));
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

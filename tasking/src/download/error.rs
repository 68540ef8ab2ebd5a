//! Why a download failed.

use std::time::Duration;

use entities::settings::hide_passwords;
use reqwest::StatusCode;

/// A download that failed: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("download of {} failed: {}", shown(.url), describe(.failure))]
pub struct DownloadError {
    /// What was asked for.
    pub url: String,
    /// What went wrong.
    pub failure: Failure,
    /// How long the upstream wants not to be asked.
    pub retry_after: Option<Duration>,
}

/// A URL as it may stand in messages and logs: queries often hold keys, and user and password are none of
/// theirs.
pub fn shown(url: &str) -> String {
    let hidden = hide_passwords(url);
    let path = hidden.split(['?', '#']).next().unwrap_or_default();
    if path.len() < hidden.len() { format!("{path}?…") } else { hidden }
}

/// The kinds of failure.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The upstream could not be reached, or broke off.
    #[error(transparent)]
    Http(reqwest::Error),
    /// The upstream responded, but not with success.
    #[error("the server responded with {0}")]
    Status(StatusCode),
    /// The URL is none, or of a scheme that is not known.
    #[error("it is not a URL of http, https or file")]
    Url,
    /// The upstream redirects to nowhere.
    #[error("{0}")]
    Redirect(String),
    /// The response is longer than announced.
    #[error("response exceeds the expected size of {expected} bytes")]
    TooLong {
        /// What was announced.
        expected: u64,
    },
    /// The response has no announced length and is longer than what is taken then.
    #[error("response exceeds the limit of {limit} bytes")]
    Unbounded {
        /// The limit.
        limit: u64,
    },
    /// The remote's `total_timeout` ran out, or that of metadata.
    #[error("it took longer than {} s", .limit.as_secs_f64())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// A file of this machine may not be read, or cannot be.
    #[error("{0}")]
    Local(String),
    /// The bytes are wrong or could not be stored.
    #[error(transparent)]
    Save(entities::Error),
}

impl DownloadError {
    pub(super) fn new(url: &str, failure: Failure) -> DownloadError {
        DownloadError { url: url.to_owned(), failure, retry_after: None }
    }

    /// Whether another attempt may go better (D05): too many requests, server errors, broken or slow
    /// connections, and bytes that differ from what was announced (a broken transfer looks like that).
    pub fn may_pass(&self) -> bool {
        match &self.failure {
            Failure::Http(error) => !error.is_builder(),
            Failure::Status(status) => *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            Failure::TimedOut { .. } => true,
            Failure::Save(error) => matches!(error, entities::Error::Digest(_)),
            Failure::TooLong { .. }
            | Failure::Unbounded { .. }
            | Failure::Local(_)
            | Failure::Url
            | Failure::Redirect(_) => false,
        }
    }
}

/// The failure with its causes: what a connection error says is in the last of them.
fn describe(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_not_shown() {
        for (url, expected) in [
            ("http://a/b", "http://a/b"),
            ("http://a/b?sig=secret&x", "http://a/b?…"),
            ("http://a/b#secret", "http://a/b?…"),
            ("http://u:secret@a/b?c", "http://u:********@a/b?…"),
            ("x?secret", "x?…"),
        ] {
            assert_eq!(shown(url), expected);
        }
        let error = DownloadError::new("http://a/b?sig=secret", Failure::Url);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

//! Why a download failed.

use std::time::Duration;

use reqwest::StatusCode;

/// A download that failed: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("download of {url} failed: {}", describe(.failure))]
pub struct DownloadError {
    /// What was asked for.
    pub url: String,
    /// What went wrong.
    pub failure: Failure,
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
    /// The response is longer than announced.
    #[error("response exceeds the expected size of {expected} bytes")]
    TooLong {
        /// What was announced.
        expected: u64,
    },
    /// The remote's `total_timeout` ran out.
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
    /// Whether another attempt may go better (D05): too many requests, server errors, broken or slow
    /// connections, and bytes that differ from what was announced (a broken transfer looks like that).
    pub fn may_pass(&self) -> bool {
        match &self.failure {
            Failure::Http(error) => !error.is_builder() && !error.is_redirect(),
            Failure::Status(status) => *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            Failure::TimedOut { .. } => true,
            Failure::Save(error) => matches!(error, entities::Error::Digest(_)),
            Failure::TooLong { .. } | Failure::Local(_) => false,
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

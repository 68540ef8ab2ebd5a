//! Messages that cannot be read are kept aside: a short list beside the queue, for people to look at.
//!
//! Nothing is lost by them: whatever a message was about is a row, and is found there.

use chrono::{DateTime, Utc};
use deadpool_redis::redis::aio::ConnectionLike;
use serde::{Deserialize, Serialize};

use super::{RedisResult, scripts};

/// How many are kept of one queue; the oldest are dropped.
pub(crate) const KEPT: usize = 100;

/// How many bytes of one message are kept.
const LENGTH: usize = 4096;

/// A message that was kept aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// When it was read.
    pub at: DateTime<Utc>,
    /// Why it could not be.
    pub why: String,
    /// Its length in bytes.
    pub length: usize,
    /// Its first 4,096 bytes, hexadecimal.
    pub bytes: String,
}

impl Rejected {
    fn new(bytes: &[u8], why: &str) -> Rejected {
        let kept = &bytes[..bytes.len().min(LENGTH)];
        let hex = kept.iter().map(|byte| format!("{byte:02x}")).collect();
        Rejected { at: Utc::now(), why: why.to_owned(), length: bytes.len(), bytes: hex }
    }
}

impl Rejected {
    /// What is in the list; others may have written there.
    pub(crate) fn read(entry: &[u8]) -> Rejected {
        serde_json::from_slice(entry).unwrap_or_else(|_| Rejected::new(entry, "not written by Pulp"))
    }
}

/// Where a message is, and where it goes.
pub(super) struct RejectPath<'a> {
    /// Key and value of the lease that has to be ours; a worker, who alone reads its queue, has none.
    pub(super) lease: Option<(&'a str, &'a str)>,
    pub(super) processing: &'a str,
    pub(super) rejected: &'a str,
}

/// Moves a message from the processing list to the rejected ones, in one step. False if the lease is not
/// ours.
pub(super) async fn reject(
    connection: &mut impl ConnectionLike,
    place: &RejectPath<'_>,
    bytes: &[u8],
    why: &str,
) -> RedisResult<bool> {
    tracing::warn!(
        queue = place.rejected,
        why,
        "a message cannot be read; it is kept aside (pulpcore tasks doctor)"
    );
    let entry = serde_json::to_string(&Rejected::new(bytes, why)).unwrap_or_default();
    let (lease, value) = place.lease.unwrap_or_default();
    let mut call = scripts::REJECT.prepare_invoke();
    call.key(place.processing).key(place.rejected).arg(bytes).arg(entry).arg(KEPT - 1);
    if place.lease.is_some() {
        call.key(lease).arg(value);
    }
    let done: i64 = call.invoke_async(connection).await?;
    Ok(done == 1)
}

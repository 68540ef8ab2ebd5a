//! The leader's lease: a key with a time to live, taken atomically and renewed by comparison.
//!
//! It decides who tries to lead, and how soon another process may. That only one leads rests on the epoch in
//! Postgres.

use std::time::Duration;

use uuid::Uuid;

use super::{ConnectionManager, RedisResult, scripts};
use crate::queue::faults::{self, Fault};

/// A lease that we may or may not hold.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    key: String,
    value: String,
    duration: Duration,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// We do.
    Ours,
    /// No process does.
    Free,
    /// The process of that label does, for that long if it is not renewed.
    Other {
        /// The label.
        holder: String,
        /// How long.
        remaining: Duration,
    },
}

impl Lease {
    /// A lease for a process that is about to lead. `label` tells others who holds it.
    pub(crate) fn new(key: String, holder: Uuid, label: &str, duration: Duration) -> Lease {
        Lease { key, value: format!("{holder}:{label}"), duration }
    }

    /// The key, for scripts that compare it.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// What the key holds while the lease is ours.
    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    /// How long it lasts without being renewed.
    pub(crate) fn duration(&self) -> Duration {
        self.duration
    }

    /// Takes it if it is free.
    pub(crate) async fn acquire(&self, redis: &mut ConnectionManager) -> RedisResult<Held> {
        let other: Option<(String, i64)> = scripts::ACQUIRE
            .key(&self.key)
            .arg(&self.value)
            .arg(self.milliseconds())
            .invoke_async(redis)
            .await?;
        Ok(match other {
            None => Held::Ours,
            Some((holder, remaining)) => other_holder(&holder, remaining),
        })
    }

    /// Prolongs it if it is ours.
    pub(crate) async fn renew(&self, redis: &mut ConnectionManager) -> RedisResult<Held> {
        let held: Option<String> = scripts::RENEW
            .key(&self.key)
            .arg(&self.value)
            .arg(self.milliseconds())
            .invoke_async(redis)
            .await?;
        Ok(match held {
            None if faults::on(Fault::RetakeLease) => self.acquire(redis).await?,
            None => Held::Free,
            Some(held) if held == self.value => Held::Ours,
            Some(held) => other_holder(&held, 0),
        })
    }

    /// Gives it back if it is ours.
    pub(crate) async fn release(&self, redis: &mut ConnectionManager) -> RedisResult<()> {
        scripts::RELEASE.key(&self.key).arg(&self.value).invoke_async(redis).await
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX).max(1)
    }
}

fn other_holder(value: &str, remaining: i64) -> Held {
    let (_, label) = parse(value);
    // A lease without end, which is a fault, is looked at again after a while.
    let remaining = Duration::from_millis(u64::try_from(remaining).unwrap_or(1000));
    Held::Other { holder: label.to_owned(), remaining }
}

/// Process and label in the value of a lease.
pub(crate) fn parse(value: &str) -> (Option<Uuid>, &str) {
    let (holder, label) = value.split_once(':').unwrap_or(("", value));
    (holder.parse().ok(), label)
}

//! Tasking without Redis: workers claim what is ready in Postgres, wake each other by NOTIFY, and one of them
//! coordinates.

pub(crate) mod coordinator;
pub(crate) mod listener;
pub(crate) mod queue_mover;
mod relay;
pub(crate) mod shared_listener;
pub(crate) mod steps;

use std::time::Duration;

use sea_orm::DbErr;

/// What a step returns, if it does so in time. One that does not may be done nevertheless.
async fn in_time<T>(limit: Duration, step: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    let late = |_| Err(DbErr::Custom(format!("no reply within {limit:?}")));
    tokio::time::timeout(limit, step).await.unwrap_or_else(late)
}

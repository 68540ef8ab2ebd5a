//! Repository versions: how a task creates one, deletes one, and keeps only as many as are wanted.
//!
//! A version that is being created is a [`Draft`]: its memberships carry a number that no complete version
//! has, so they are invisible. It becomes visible in one fenced transaction, together with the repository's
//! next number.

mod counts;
mod delete;
mod draft;
mod retention;
mod rows;
mod served;
mod settle;

use sea_orm::ConnectionTrait;

use crate::FencedTransaction;

pub use delete::delete;
pub use draft::Draft;
pub use retention::retain;
pub use rows::{complete, numbered, repository};
pub use served::served_by;

/// Makes the rest of a transaction join whole versions by hashing. What a task has just written is in no
/// statistics, so the planner takes a million rows for one and would compare each with each.
async fn join_by_hashing(txn: &FencedTransaction) -> anyhow::Result<()> {
    txn.execute_unprepared("SET LOCAL enable_nestloop = off").await?;
    Ok(())
}

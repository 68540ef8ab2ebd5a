//! Claims of the tasks that the resource manager orders, and the end of a task together with the next claim.

use entities::db;
use sea_orm::DatabaseConnection;

use super::message::Order;
use crate::context::Claim;
use crate::queue::claims::{self, ClaimReply, Finish, Until, draw};
use crate::queue::runner::Ended;

/// Claims a task: task, worker, token, epoch, and since when nothing was in its way.
const CLAIM: &str = "SELECT * FROM take_task($1, $2, $3, $5, refuse_claim($2, $4, true))";

/// Finishes a task, and claims the next one in the same commit: its id, token, epoch, and since when nothing
/// was in its way. All are null if there is none.
const FINISH: &str = "SELECT * FROM finish_task($1, $2, $3, $4, $5, NULL, $6, $7, $8, $9)";

/// The claim for an order.
pub(crate) fn draw_for(order: &Order) -> Claim {
    draw(order.task, order.worker)
}

/// Claims a task. `None` if the process had to stop, or was reaped, before there was a reply.
pub(crate) async fn claim(
    db: &DatabaseConnection,
    claim: Claim,
    order: &Order,
    until: Until<'_>,
) -> Option<ClaimReply> {
    let values = [
        claim.task.into(),
        claim.worker.into(),
        claim.token.into(),
        order.epoch.into(),
        order.unblocked_at.into(),
    ];
    let read = |row: &_| ClaimReply::read(claim, row);
    let reply = claims::claimed(db, db::sql(CLAIM, values), read, until).await?;
    Some(reply.unwrap_or_else(|error| ClaimReply::Refused(error.to_string())))
}

/// Finishes a task, and claims the next one in the same commit. Returns what came of that claim; `None` if
/// there was no reply in time.
pub(crate) async fn finish(
    db: &DatabaseConnection,
    claim: Claim,
    ended: &Ended,
    next: Option<&(Claim, Order)>,
    until: Until<'_>,
) -> Option<Option<ClaimReply>> {
    let values = vec![
        next.map(|(next, _)| next.task).into(),
        next.map(|(next, _)| next.token).into(),
        next.map(|(_, order)| order.epoch).into(),
        next.map(|(_, order)| order.unblocked_at).into(),
    ];
    let read = |row: &_| next.map(|(next, _)| ClaimReply::read(*next, row)).transpose();
    claims::finished(db, claim, ended, Finish { sql: FINISH, next: values }, read, until).await
}

//! The election: the lease says who may try, the epoch in Postgres who leads.
//!
//! The epoch is read after the lease is taken, and then incremented by comparison. A candidate that was
//! stopped in between finds another epoch, so of two that both believe to hold the lease at most one gets on;
//! and the loser's claims do not commit any more when the winner reads its first row. One that is stopped
//! before it reads the epoch may win without the lease: then the holder of the lease finds its epoch over,
//! and both stand again.

use std::time::{Duration, Instant};

use anyhow::Context;
use entities::{Pulp, db};
use sea_orm::DatabaseConnection;
use uuid::Uuid;

use super::Standby;
use super::leadership::Leader;
use crate::Shutdown;
use crate::queue::faults::{self, Fault};
use crate::queue::process;
use crate::queue::redis_style::lease::{Held, Lease};
use crate::queue::redis_style::{ConnectionManager, Redis};
use crate::queue::rows;

/// The epoch of the present leader, or of the last one.
const EPOCH: &str = "SELECT epoch FROM leader";

/// Begins the next epoch, if the present one still is `$4`, and returns it: process, label, versions.
const BECOME_LEADER: &str = "SELECT become_leader($1, $2, $3, $4)";

/// How often a waiting candidate looks, at least.
const LOOK: Duration = Duration::from_millis(250);

/// Who would lead.
pub(super) struct Candidate {
    pulp: Pulp,
    /// For elections and routing.
    db: DatabaseConnection,
    redis: Redis,
    connection: ConnectionManager,
    label: String,
}

/// What came of it.
pub(super) enum Election {
    /// We lead.
    Won(Box<Leader>),
    /// Another process does.
    Lost {
        /// The label.
        holder: String,
        /// How long the lease runs.
        remaining: Duration,
    },
    /// We were asked to stop.
    Stopped,
}

impl Candidate {
    pub(super) fn new(pulp: Pulp, db: DatabaseConnection, redis: Redis) -> anyhow::Result<Candidate> {
        let connection = redis.shared()?;
        Ok(Candidate { pulp, db, redis, connection, label: process::default_name() })
    }

    /// Tries to become the leader; while another process is, waits as `standby` says. Losing leaves no trace.
    pub(super) async fn stand(&mut self, standby: Standby, shutdown: &Shutdown) -> anyhow::Result<Election> {
        let duration = self.pulp.settings.resource_manager_lease;
        let since = Instant::now();
        loop {
            // A new identity at every attempt: the holder of the lease and the leader can be compared.
            let id = Uuid::new_v4();
            let lease = Lease::new(self.redis.keys.lease(), id, &self.label, duration);
            let (holder, remaining) = match lease.acquire(&mut self.connection).await? {
                Held::Ours => match self.lead(&lease, id).await {
                    Ok(Some(leader)) => return Ok(Election::Won(Box::new(leader))),
                    Ok(None) => {
                        lease.release(&mut self.connection).await?;
                        continue;
                    }
                    Err(error) => {
                        let _ = lease.release(&mut self.connection).await;
                        return Err(error);
                    }
                },
                Held::Free => continue,
                Held::Other { holder, remaining } => (holder, remaining),
            };
            let waits = match standby {
                Standby::Exit => false,
                Standby::Wait => true,
                Standby::For(patience) => since.elapsed() < patience,
            };
            if !waits {
                return Ok(Election::Lost { holder, remaining });
            }
            tokio::select! {
                () = shutdown.requested() => return Ok(Election::Stopped),
                () = tokio::time::sleep(remaining.clamp(Duration::from_millis(5), LOOK)) => {}
            }
        }
    }

    /// Increments the epoch, if no other candidate has since the lease was taken.
    async fn lead(&self, lease: &Lease, id: Uuid) -> anyhow::Result<Option<Leader>> {
        let db = &self.db;
        let epoch: i64 = rows::value(db, db::sql(EPOCH, [])).await.context("the table leader has no row")?;
        if faults::on(Fault::LateEpoch) {
            return Ok(Some(self.leader(lease, epoch + 1, id)?));
        }
        let values = [id.into(), process::RESOURCE_MANAGER.into(), process::versions().into(), epoch.into()];
        let grown: Option<i64> = rows::value(db, db::sql(BECOME_LEADER, values)).await?;
        let Some(epoch) = grown else { return Ok(None) };
        tracing::info!(epoch, "this resource manager is now the leader");
        Ok(Some(self.leader(lease, epoch, id)?))
    }

    fn leader(&self, lease: &Lease, epoch: i64, id: Uuid) -> anyhow::Result<Leader> {
        let (pulp, db, redis) = (self.pulp.clone(), self.db.clone(), self.redis.clone());
        Leader::new(pulp, db, redis, lease.clone(), epoch, id)
    }
}

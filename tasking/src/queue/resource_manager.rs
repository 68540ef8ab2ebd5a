//! The resource manager: of all that are started one leads, and routes tasks to workers.

mod assignments;
mod election;
mod kinds;
mod leadership;
mod reconcile;
mod routing;
mod task_rows;

use std::time::Duration;

use entities::{Pulp, db};

use crate::Shutdown;
use crate::queue::backoff::Backoff;
use crate::queue::redis_style::Redis;
use crate::queue::style::Style;
use election::{Candidate, Election};
use leadership::End;

/// The exit status of a manager that does not lead (any more), for supervisors to start it again (T31).
pub const EXIT_NOT_LEADING: u8 = 75;

/// Sessions of a manager for its routing.
const SESSIONS: u32 = 2;

/// What a manager does that finds the lease taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standby {
    /// Ends at once.
    #[default]
    Exit,
    /// Waits for the lease, however long it takes.
    Wait,
    /// Waits for the lease so long, then ends.
    For(Duration),
}

impl std::str::FromStr for Standby {
    type Err = String;

    fn from_str(text: &str) -> Result<Standby, String> {
        match text {
            "exit" => Ok(Standby::Exit),
            "wait" => Ok(Standby::Wait),
            seconds => match seconds.parse() {
                Ok(seconds) => Ok(Standby::For(Duration::from_secs(seconds))),
                Err(_) => Err(format!("{text} is neither exit nor wait nor a number of seconds")),
            },
        }
    }
}

/// How a manager is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct ManagerOptions {
    /// What it does if another one leads.
    pub standby: Standby,
}

/// Why a manager ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was asked to.
    Stopped,
    /// Another one leads; nothing was written anywhere.
    Taken {
        /// The label of the leader.
        holder: String,
        /// How long its lease runs.
        remaining: Duration,
    },
    /// It led, and another one does now.
    Deposed,
}

impl Outcome {
    /// The exit status of the process.
    pub fn exit_status(&self) -> u8 {
        match self {
            Outcome::Stopped => 0,
            Outcome::Taken { .. } | Outcome::Deposed => EXIT_NOT_LEADING,
        }
    }
}

/// Stands for election, and leads until `shutdown` or until the lease is lost. In tasking without Redis there
/// is nothing to lead: it only waits for `shutdown`.
///
/// # Errors
/// If Redis is not configured, or Redis or Postgres refuse the credentials.
pub async fn run(pulp: Pulp, options: ManagerOptions, shutdown: Shutdown) -> anyhow::Result<Outcome> {
    if !Style::of(&pulp.settings).is_routed() {
        tracing::info!(
            "USE_NEW_WORKER_STYLE is set: tasks need no resource manager. This one does nothing until it is stopped."
        );
        shutdown.requested().await;
        return Ok(Outcome::Stopped);
    }
    let redis = Redis::open(&pulp.settings)?;
    tokio::select! {
        ready = redis.ready() => ready?,
        () = shutdown.requested() => return Ok(Outcome::Stopped),
    }
    let db = db::connect_for_lookups(&pulp.settings, "pulpcore-resource-manager", SESSIONS).await?;
    let mut candidate = Candidate::new(pulp, db, redis)?;
    let mut standby = options.standby;
    let mut backoff = Backoff::default();
    loop {
        let leader = match candidate.stand(standby, &shutdown).await {
            Ok(Election::Won(leader)) => leader,
            Ok(Election::Lost { holder, remaining }) => {
                tracing::info!(
                    "{holder} leads; its lease runs for another {:.1} s. This resource manager ends.",
                    remaining.as_secs_f64()
                );
                return Ok(Outcome::Taken { holder, remaining });
            }
            Ok(Election::Stopped) => return Ok(Outcome::Stopped),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "the election failed; retrying");
                tokio::select! {
                    () = backoff.pause() => continue,
                    () = shutdown.requested() => return Ok(Outcome::Stopped),
                }
            }
        };
        backoff.reset();
        match leader.lead(&shutdown).await {
            End::Stopped => return Ok(Outcome::Stopped),
            End::Deposed { holder } => {
                tracing::error!("{holder} leads now. This resource manager ends.");
                return Ok(Outcome::Deposed);
            }
            End::LeaseMissing => {
                tracing::warn!("the lease is gone from Redis; standing for election again");
                standby = Standby::Exit;
            }
            End::EpochOver => {
                tracing::warn!(
                    "another resource manager has begun a term meanwhile; standing for election again"
                );
                standby = Standby::Exit;
            }
        }
    }
}

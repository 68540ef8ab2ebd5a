//! The seam between the two styles of tasking: what each of them does to post, wake, claim, finish and reap.
//!
//! Everything else is given a [`Style`], and does not ask for the settings. Posting, canceling and reaping
//! differ in one thing: without Redis a notice is written in the same commit, for the next process that moves
//! the queue. After the commit the notifier of the style wakes what routes or runs tasks. To claim and to
//! finish tasks, a worker runs the loop of its style. Both are chosen once, where they are made, by a match
//! over the style.

use entities::Settings;
use entities::settings::WorkerStyle;

/// Cancels a task, and returns it if that changed anything.
const CANCEL: &str = "UPDATE task SET
                          state = CASE state WHEN 'waiting' THEN 'canceled'::task_state ELSE 'canceling' END,
                          finished_at = CASE state WHEN 'waiting' THEN clock_timestamp() END,
                          pulp_last_updated = clock_timestamp()
                      WHERE pulp_id = $1 AND state::text IN ('waiting', 'running')
                      RETURNING pulp_id, state";

/// Writes a notice of the accepted task.
const NOTE_ACCEPTED: &str = "INSERT INTO task_change (task_id) SELECT pulp_id FROM accepted";

/// A style of tasking. Workers of both are never alive together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A resource manager routes tasks to workers over Redis.
    Redis,
    /// Workers claim what is ready in Postgres.
    Postgres,
}

impl Style {
    /// The style of the settings.
    pub(crate) fn of(settings: &Settings) -> Style {
        match settings.worker_style {
            WorkerStyle::Redis => Style::Redis,
            WorkerStyle::Postgres => Style::Postgres,
        }
    }

    /// The name in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Style::Redis => "redis",
            Style::Postgres => "postgres",
        }
    }

    /// Whether a resource manager routes tasks to workers over Redis.
    pub(crate) fn is_routed(self) -> bool {
        self == Style::Redis
    }

    /// Posts a task: the statement around `insert`, which writes its row, and `afterwards`, which may use the
    /// row as `accepted`. It changes a row if the task is accepted.
    pub(crate) fn post(self, insert: &str, afterwards: Option<&str>) -> String {
        let accepted = format!("WITH accepted AS ({insert} RETURNING pulp_id)");
        match (self, afterwards) {
            (Style::Redis, None) => insert.to_owned(),
            (Style::Redis, Some(afterwards)) => format!("{accepted} {afterwards}"),
            (Style::Postgres, None) => format!("{accepted} {NOTE_ACCEPTED}"),
            (Style::Postgres, Some(afterwards)) => {
                format!("{accepted}, noted AS ({NOTE_ACCEPTED}) {afterwards}")
            }
        }
    }

    /// Cancels the task `$1`: the statement returns a row if that changed anything.
    pub(crate) fn cancel(self) -> String {
        match self {
            Style::Redis => CANCEL.to_owned(),
            Style::Postgres => format!(
                "WITH changed AS ({CANCEL}),
                      noted AS (INSERT INTO task_change (task_id)
                                    SELECT pulp_id FROM changed WHERE state = 'canceled')
                 SELECT pulp_id FROM changed"
            ),
        }
    }

    /// Finishes as failed the task `$1` that its worker `$2` was given with the claim `$3`, and does not run.
    pub(crate) fn finish_lost(self) -> &'static str {
        match self {
            Style::Redis => {
                "SELECT final FROM finish_task($1, $2, $3, 'failed', $4::jsonb, NULL, NULL, NULL, NULL, NULL)"
            }
            Style::Postgres => {
                "SELECT final FROM finish_and_claim($1, $2, $3, 'failed', $4::jsonb, NULL, '{}')"
            }
        }
    }

    /// Reaps the process `$1` if its heartbeat still is `$2` and the leader's epoch is `$3`, if that is
    /// given. Returns the tasks that failed by that; null if the process was not reaped.
    pub(crate) fn reap(self) -> &'static str {
        match self {
            Style::Redis => "SELECT declare_missing($1, $2, $3)",
            Style::Postgres => "SELECT record_ended(declare_missing($1, $2, $3))",
        }
    }

    /// Fails every task whose process is gone, and returns them.
    pub(crate) fn reap_abandoned(self) -> &'static str {
        match self {
            Style::Redis => "SELECT end_orphaned(NULL)",
            Style::Postgres => "SELECT record_ended(end_orphaned(NULL))",
        }
    }
}

//! Dispatch: writes a task's row and rings the doorbell; and cancellation, its counterpart.

use entities::settings::WorkerStyle;
use entities::task::{self, TaskState};
use entities::{Error, Pulp, Result, db, kind};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement, Value};
use uuid::Uuid;

use crate::Task;
use crate::context::Claim;
use crate::doorbell::Doorbell;
use crate::redis::message::Notice;

/// Writes a task.
const INSERT: &str =
    "INSERT INTO task (pulp_id, pulp_domain_id, name, logging_cid, args, exclusive_resources,
                                        shared_resources, parent_task_id, task_group_id, created_by)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Writes a task if a claim holds: the lock on its row makes that and a cancel follow each other.
const INSERT_BY: &str = "WITH claim AS (SELECT 1 FROM task
                             WHERE pulp_id = $11 AND worker_id = $12 AND claim_token = $13 AND state = 'running'
                             FOR SHARE)
                         INSERT INTO task (pulp_id, pulp_domain_id, name, logging_cid, args, exclusive_resources,
                                           shared_resources, parent_task_id, task_group_id, created_by)
                         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM claim";

/// A note that there is a new task, written with it, for tasking without Redis.
const NOTED: &str = "INSERT INTO task_notice (task_id) SELECT pulp_id FROM accepted";

/// Cancels a task. Answers whether it did.
const CANCEL: &str = "UPDATE task SET
                          state = CASE state WHEN 'waiting' THEN 'canceled'::task_state ELSE 'canceling' END,
                          finished_at = CASE state WHEN 'waiting' THEN clock_timestamp() END,
                          pulp_last_updated = clock_timestamp()
                      WHERE pulp_id = $1 AND state IN ('waiting', 'running')";

/// Where a task comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The domain it works in.
    pub domain: Uuid,
    /// Who asked for it.
    pub user: Option<i32>,
    /// The correlation id of the request (R33).
    pub logging_cid: String,
    /// The task that dispatches it (T12).
    pub parent: Option<Uuid>,
    /// The group it belongs to (T13).
    pub group: Option<Uuid>,
}

/// Accepts tasks; cheap to clone.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    pulp: Pulp,
    doorbell: Doorbell,
}

impl Dispatcher {
    /// A dispatcher over a process's handles.
    pub fn new(pulp: Pulp) -> Dispatcher {
        let doorbell = Doorbell::new(&pulp);
        Dispatcher { pulp, doorbell }
    }

    /// The process's handles.
    pub fn pulp(&self) -> &Pulp {
        &self.pulp
    }

    /// Writes the task's row, then wakes whoever routes or runs it. Once this returns the task is accepted, whether or
    /// not anybody could be woken.
    pub async fn dispatch<T: Task>(&self, task: &T, origin: Origin) -> Result<Uuid> {
        self.accept(task, origin, None).await
    }

    /// As [`Dispatcher::dispatch`], by a running task: accepted only while its claim holds, so that nothing new comes
    /// of a task that was canceled or given up.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the claim does not hold any more.
    pub(crate) async fn dispatch_by<T: Task>(&self, claim: Claim, task: &T, origin: Origin) -> Result<Uuid> {
        self.accept(task, origin, Some(claim)).await
    }

    async fn accept<T: Task>(&self, task: &T, origin: Origin, claim: Option<Claim>) -> Result<Uuid> {
        let id = Uuid::now_v7();
        let resources = task.resources();
        let args = serde_json::to_value(task).map_err(|error| entities::Error::Internal(error.into()))?;
        let mut shared: Vec<String> = resources.shared.into_iter().map(String::from).collect();
        shared.push(kind::DOMAIN.prn(origin.domain).into());
        let exclusive: Vec<String> = resources.exclusive.into_iter().map(String::from).collect();
        let mut values: Vec<Value> = vec![
            id.into(),
            origin.domain.into(),
            T::NAME.into(),
            origin.logging_cid.into(),
            args.into(),
            exclusive.into(),
            shared.into(),
            origin.parent.into(),
            origin.group.into(),
            origin.user.into(),
        ];
        let sql = match claim {
            None => INSERT,
            Some(claim) => {
                values.extend([claim.task.into(), claim.worker.into(), claim.token.into()]);
                INSERT_BY
            }
        };
        let sql = match self.pulp.settings.worker_style {
            WorkerStyle::Redis => sql.to_owned(),
            WorkerStyle::Postgres => format!("WITH accepted AS ({sql} RETURNING pulp_id) {NOTED}"),
        };
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        if self.pulp.db.execute_raw(statement).await?.rows_affected() == 0 {
            let reason = "The task is no longer this worker's: it was canceled or given up.";
            return Err(Error::Conflict(reason.to_owned()));
        }
        self.doorbell.ring(&Notice::Dispatched { task: id }).await;
        Ok(id)
    }

    /// Cancels a task: a waiting one is canceled at once, a running one is told to stop (T14). Answers the row as it
    /// is then. Canceling again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Conflict`] if the task has ended already.
    pub async fn cancel(&self, id: Uuid) -> Result<task::Model> {
        let changed = match self.pulp.settings.worker_style {
            WorkerStyle::Redis => {
                self.pulp.db.execute_raw(db::sql(CANCEL, [id.into()])).await?.rows_affected() > 0
            }
            WorkerStyle::Postgres => {
                let sql = format!(
                    "WITH changed AS ({CANCEL} RETURNING pulp_id, state),
                          noted AS (INSERT INTO task_notice (task_id)
                                        SELECT pulp_id FROM changed WHERE state = 'canceled')
                     SELECT 1 AS one FROM changed"
                );
                self.pulp.db.query_one_raw(db::sql(&sql, [id.into()])).await?.is_some()
            }
        };
        let task = task::Entity::find_by_id(id).one(&self.pulp.db).await?;
        let task = task.ok_or_else(|| Error::not_found("task", id))?;
        if !changed && task.state != TaskState::Canceling {
            let state = task.state.as_str();
            return Err(Error::Conflict(format!("The task has ended already: it is {state}.")));
        }
        match task.worker_id {
            Some(worker) => self.doorbell.tell_canceled(worker, id).await,
            None => self.doorbell.ring(&Notice::Canceled { task: id }).await,
        }
        Ok(task)
    }
}

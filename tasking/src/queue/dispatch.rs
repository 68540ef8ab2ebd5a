//! Dispatch: writes a task's row and notifies whoever routes or runs it; and cancellation, its counterpart.

use chrono::{DateTime, Utc};
use entities::settings::WorkerStyle;
use entities::task::{self, TaskState};
use entities::{Error, Pulp, Result, db, kind, task_schedule};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement, Value};
use uuid::Uuid;

use crate::Task;
use crate::context::Claim;
use crate::queue::notifier::Notifier;
use crate::queue::redis_style::message::Notice;

/// Writes a task.
const INSERT: &str =
    "INSERT INTO task (pulp_id, pulp_domain_id, name, logging_cid, args, exclusive_resources,
                                        shared_resources, parent_task_id, task_group_id, created_by)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Writes a task if a claim holds: the lock on its row makes that and a cancel follow each other.
const INSERT_BY: &str = "WITH claim AS (SELECT 1 FROM task
                             WHERE pulp_id = $11 AND worker_id = $12 AND claim_token = $13 AND state::text = 'running'
                             FOR SHARE)
                         INSERT INTO task (pulp_id, pulp_domain_id, name, logging_cid, args, exclusive_resources,
                                           shared_resources, parent_task_id, task_group_id, created_by)
                         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM claim";

/// Writes a task if a schedule is as it was read, is due, and its last task has ended. Of those who try at once one finds
/// it so: the others pass over the row that it has locked, or see that it has changed.
const INSERT_DUE: &str = "WITH due AS (SELECT 1 FROM task_schedule
                              WHERE pulp_id = $11 AND pulp_last_updated = $12
                                AND next_dispatch <= clock_timestamp()
                                AND NOT EXISTS (SELECT 1 FROM task
                                                WHERE task.pulp_id = last_task_id
                                                  AND state IN ('waiting', 'running', 'canceling'))
                              FOR UPDATE SKIP LOCKED)
                          INSERT INTO task (pulp_id, pulp_domain_id, name, logging_cid, args, exclusive_resources,
                                            shared_resources, parent_task_id, task_group_id, created_by)
                          SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM due";

/// Says in the schedule which task that was, and when it is due again: however long it was missed, once.
const RESCHEDULE: &str = "UPDATE task_schedule SET
                              last_task_id = accepted.pulp_id,
                              next_dispatch = clock_timestamp() + dispatch_interval * interval '1 microsecond'
                          FROM accepted WHERE task_schedule.pulp_id = $11";

/// A note that there is a new task, written with it, for tasking without Redis.
const NOTED: &str = "INSERT INTO task_change (task_id) SELECT pulp_id FROM accepted";

/// Cancels a task. Answers whether it did.
const CANCEL: &str = "UPDATE task SET
                          state = CASE state WHEN 'waiting' THEN 'canceled'::task_state ELSE 'canceling' END,
                          finished_at = CASE state WHEN 'waiting' THEN clock_timestamp() END,
                          pulp_last_updated = clock_timestamp()
                      WHERE pulp_id = $1 AND state::text IN ('waiting', 'running')";

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

/// What a task's row says of the task itself.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub(crate) name: String,
    pub(crate) args: serde_json::Value,
    pub(crate) exclusive: Vec<String>,
    /// Without the domain, which is added.
    pub(crate) shared: Vec<String>,
}

impl NewTask {
    /// # Errors
    /// If the task's arguments are nothing that JSON can hold.
    pub(crate) fn of<T: Task>(task: &T) -> Result<NewTask> {
        let resources = task.resources();
        let names = |resources: Vec<entities::Prn>| resources.into_iter().map(String::from).collect();
        Ok(NewTask {
            name: T::NAME.to_owned(),
            args: serde_json::to_value(task).map_err(|error| Error::Internal(error.into()))?,
            exclusive: names(resources.exclusive),
            shared: names(resources.shared),
        })
    }
}

/// What has to hold for a task to be accepted.
#[derive(Clone, Copy, Debug)]
enum Provided {
    Nothing,
    Held(Claim),
    /// A schedule that was last changed then.
    Due(Uuid, DateTime<Utc>),
}

/// Accepts tasks; cheap to clone.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    pulp: Pulp,
    notifier: Notifier,
}

impl Dispatcher {
    /// A dispatcher over a process's handles.
    pub fn new(pulp: Pulp) -> Dispatcher {
        let notifier = Notifier::new(&pulp);
        Dispatcher { pulp, notifier }
    }

    /// The process's handles.
    pub fn pulp(&self) -> &Pulp {
        &self.pulp
    }

    /// Writes the task's row, then wakes whoever routes or runs it. Once this returns the task is accepted, whether or
    /// not anybody could be woken.
    pub async fn dispatch<T: Task>(&self, task: &T, origin: Origin) -> Result<Uuid> {
        let id = self.accept(NewTask::of(task)?, origin, Provided::Nothing).await?;
        id.ok_or_else(|| Error::Internal(anyhow::anyhow!("the task was not written")))
    }

    /// As [`Dispatcher::dispatch`], by a running task: accepted only while its claim holds, so that nothing new comes
    /// of a task that was canceled or given up.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the claim does not hold any more.
    pub(crate) async fn dispatch_by<T: Task>(&self, claim: Claim, task: &T, origin: Origin) -> Result<Uuid> {
        let id = self.accept(NewTask::of(task)?, origin, Provided::Held(claim)).await?;
        id.ok_or_else(|| {
            let reason = "The task is no longer this worker's: it was canceled or given up.";
            Error::Conflict(reason.to_owned())
        })
    }

    /// Dispatches the task of a schedule, if nobody has changed the schedule since it was read, and if it is due. What
    /// the schedule says of its next dispatch is written in the same commit, so that each time is kept once, whoever
    /// else tries, and whatever becomes of this process.
    pub(crate) async fn dispatch_due(&self, schedule: &task_schedule::Model) -> Result<Option<Uuid>> {
        let new = NewTask {
            name: schedule.task_name.clone(),
            args: schedule.args.clone(),
            exclusive: schedule.exclusive_resources.clone(),
            shared: schedule.shared_resources.clone(),
        };
        let origin = Origin {
            domain: schedule.pulp_domain_id,
            user: None,
            logging_cid: Uuid::new_v4().simple().to_string(),
            parent: None,
            group: None,
        };
        self.accept(new, origin, Provided::Due(schedule.pulp_id, schedule.pulp_last_updated)).await
    }

    /// Answers nothing if what was provided does not hold.
    async fn accept(&self, new: NewTask, origin: Origin, provided: Provided) -> Result<Option<Uuid>> {
        let id = Uuid::now_v7();
        let mut shared = new.shared;
        shared.push(kind::DOMAIN.prn(origin.domain).into());
        let mut values: Vec<Value> = vec![
            id.into(),
            origin.domain.into(),
            new.name.into(),
            origin.logging_cid.into(),
            new.args.into(),
            new.exclusive.into(),
            shared.into(),
            origin.parent.into(),
            origin.group.into(),
            origin.user.into(),
        ];
        match provided {
            Provided::Nothing => {}
            Provided::Held(claim) => {
                values.extend([claim.task.into(), claim.worker.into(), claim.token.into()]);
            }
            Provided::Due(schedule, seen) => values.extend([schedule.into(), seen.into()]),
        }
        let sql = acceptance(provided, self.pulp.settings.worker_style);
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        if self.pulp.db.execute_raw(statement).await?.rows_affected() == 0 {
            return Ok(None);
        }
        self.notifier.notify(&Notice::Dispatched { task: id }).await;
        Ok(Some(id))
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
                          noted AS (INSERT INTO task_change (task_id)
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
            Some(worker) => self.notifier.tell_canceled(worker, id).await,
            None => self.notifier.notify(&Notice::Canceled { task: id }).await,
        }
        Ok(task)
    }
}

/// The statement that accepts a task; it changes a row if it does.
fn acceptance(provided: Provided, style: WorkerStyle) -> String {
    let insert = match provided {
        Provided::Nothing => INSERT,
        Provided::Held(_) => INSERT_BY,
        Provided::Due(..) => INSERT_DUE,
    };
    let accepted = format!("WITH accepted AS ({insert} RETURNING pulp_id)");
    match (provided, style) {
        (Provided::Due(..), WorkerStyle::Redis) => format!("{accepted} {RESCHEDULE}"),
        (Provided::Due(..), WorkerStyle::Postgres) => format!("{accepted}, noted AS ({NOTED}) {RESCHEDULE}"),
        (_, WorkerStyle::Redis) => insert.to_owned(),
        (_, WorkerStyle::Postgres) => format!("{accepted} {NOTED}"),
    }
}

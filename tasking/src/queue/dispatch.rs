//! Dispatch: writes a task's row and notifies what routes or runs it; and cancellation, its counterpart.

use chrono::{DateTime, Utc};
use entities::task::{self, TaskState};
use entities::{Error, Pulp, Result, db, kind, task_schedule};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement, Value};
use uuid::Uuid;

use crate::Task;
use crate::context::Claim;
use crate::queue::notifier::Notifier;
use crate::queue::style::Style;

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

/// Writes a task if a schedule is as it was read, is due, and its last task has ended. Of those who try at
/// once one finds it so: the others pass over the row that it has locked, or see that it has changed.
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
    style: Style,
    notifier: Notifier,
}

impl Dispatcher {
    /// A dispatcher over a process's handles.
    pub fn new(pulp: Pulp) -> Dispatcher {
        let style = Style::of(&pulp.settings);
        let notifier = Notifier::new(style, &pulp.settings);
        Dispatcher { pulp, style, notifier }
    }

    /// The process's handles.
    pub fn pulp(&self) -> &Pulp {
        &self.pulp
    }

    /// Writes the task's row, then notifies what routes or runs it. Once this returns the task is accepted,
    /// also if nothing could be notified.
    ///
    /// # Errors
    /// If the database does not take the row, or the task's arguments are nothing that JSON can hold.
    pub async fn dispatch<T: Task>(&self, task: &T, origin: Origin) -> Result<Uuid> {
        let id = self.accept(NewTask::of(task)?, origin, Provided::Nothing).await?;
        id.ok_or_else(|| Error::Internal(anyhow::anyhow!("the task was not written")))
    }

    /// As [`Dispatcher::dispatch`], by a running task: accepted only while its claim holds, so that nothing
    /// new comes of a task that was canceled, or whose worker was declared missing.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the claim does not hold any more.
    pub(crate) async fn dispatch_by<T: Task>(&self, claim: Claim, task: &T, origin: Origin) -> Result<Uuid> {
        let id = self.accept(NewTask::of(task)?, origin, Provided::Held(claim)).await?;
        id.ok_or_else(|| {
            let reason = "This worker lost its claim on the task (canceled, or declared missing).";
            Error::Conflict(reason.to_owned())
        })
    }

    /// Dispatches the task of a schedule, if the schedule has not changed since it was read, and if it is
    /// due. What the schedule says of its next dispatch is written in the same commit, so that each time is
    /// kept once, whichever process tries, and whatever becomes of this one.
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

    /// Returns nothing if what was provided does not hold.
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
        let sql = match provided {
            Provided::Nothing => self.style.post(INSERT, None),
            Provided::Held(_) => self.style.post(INSERT_BY, None),
            Provided::Due(..) => self.style.post(INSERT_DUE, Some(RESCHEDULE)),
        };
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        if self.pulp.db.execute_raw(statement).await?.rows_affected() == 0 {
            return Ok(None);
        }
        self.notifier.accepted(id).await;
        Ok(Some(id))
    }

    /// Cancels a task: a waiting one is canceled at once, a running one is told to stop (T14). Returns the
    /// row as it is then. Canceling again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Conflict`] if the task has ended already.
    pub async fn cancel(&self, id: Uuid) -> Result<task::Model> {
        let canceled = self.pulp.db.query_one_raw(db::sql(&self.style.cancel(), [id.into()])).await?;
        let task = task::Entity::find_by_id(id).one(&self.pulp.db).await?;
        let task = task.ok_or_else(|| Error::not_found("task", id))?;
        if canceled.is_none() && !matches!(task.state, TaskState::Canceling | TaskState::Canceled) {
            let state = task.state.as_str();
            return Err(Error::Conflict(format!("The task has ended already: it is {state}.")));
        }
        self.notifier.canceled(id, task.worker_id).await;
        Ok(task)
    }
}

//! What a running task holds: its identity, the handles of the process, and the fenced way to write.

use std::fs::DirBuilder;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use entities::{Error, Prn, Pulp, Scope, db};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::queue::backoff::Backoff;
use crate::{Dispatcher, Origin, Progress, RepositoryType, RepositoryTypes, Task};

/// How long the begin of a transaction waits for a database that takes none.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which claim of which task by which worker: what every fence compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The task.
    pub task: Uuid,
    /// The worker.
    pub worker: Uuid,
    /// Drawn for this claim.
    pub token: Uuid,
}

/// The context of one running task; cheap to clone.
#[derive(Clone, Debug)]
pub struct TaskContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dispatcher: Dispatcher,
    claim: Claim,
    origin: Origin,
    working_directory: PathBuf,
    /// Whether it was created.
    used_directory: OnceLock<()>,
    canceled: CancellationToken,
    repositories: RepositoryTypes,
}

impl TaskContext {
    /// The context of a claimed task. `origin` is that of the task itself; `canceled` tells blocking work to
    /// stop; `repositories` are the types that the worker knows.
    pub fn new(
        dispatcher: Dispatcher,
        claim: Claim,
        origin: Origin,
        working_directory: PathBuf,
        canceled: CancellationToken,
        repositories: RepositoryTypes,
    ) -> TaskContext {
        TaskContext(Arc::new(Inner {
            dispatcher,
            claim,
            origin,
            working_directory,
            used_directory: OnceLock::new(),
            canceled,
            repositories,
        }))
    }

    /// Settings, database, storage and keys.
    pub fn pulp(&self) -> &Pulp {
        self.0.dispatcher.pulp()
    }

    /// The task's id.
    pub fn task_id(&self) -> Uuid {
        self.0.claim.task
    }

    /// The domain the task works in.
    pub fn domain(&self) -> Uuid {
        self.0.origin.domain
    }

    /// The rows that the task may see: those of its domain.
    pub fn scope(&self) -> Scope {
        Scope::of_task(self.0.origin.domain, self.0.origin.user)
    }

    /// The correlation id of the request that asked for the task; sent with upstream requests.
    pub fn logging_cid(&self) -> &str {
        &self.0.origin.logging_cid
    }

    /// The type of the repositories with this `pulp_type`.
    ///
    /// # Errors
    /// If no plugin of this worker brings it.
    pub fn repository_type(&self, pulp_type: &str) -> anyhow::Result<Arc<RepositoryType>> {
        self.0.repositories.get(pulp_type)
    }

    /// A directory for this task alone, created when it is first asked for and removed when the task ends.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn working_directory(&self) -> anyhow::Result<&Path> {
        let directory = &self.0.working_directory;
        if self.0.used_directory.get().is_none() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .with_context(|| format!("cannot create the working directory {}", directory.display()))?;
            // Another thread may have been quicker.
            let _ = self.0.used_directory.set(());
        }
        Ok(directory)
    }

    /// Removes the working directory, if there is one.
    pub(crate) async fn remove_working_directory(&self) {
        if self.0.used_directory.get().is_none() {
            return;
        }
        let directory = &self.0.working_directory;
        if let Err(error) = tokio::fs::remove_dir_all(directory).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, directory = %directory.display(), "a task's directory cannot be removed");
        }
    }

    /// Fires when the task is canceled. Futures are dropped anyway; blocking work must look here.
    pub fn canceled(&self) -> &CancellationToken {
        &self.0.canceled
    }

    /// Begins a transaction that commits only if this claim still holds. Everything a user can see is written
    /// through one. Keep it short: never across a download. A database that is away, refuses or takes no
    /// changes is waited for, two minutes at most.
    pub async fn begin(&self) -> anyhow::Result<FencedTransaction> {
        let (since, mut backoff) = (Instant::now(), Backoff::default());
        loop {
            match self.try_begin().await {
                Err(error) if entities::may_pass(&error) && since.elapsed() < PATIENCE => {
                    backoff.pause().await;
                }
                begun => return begun,
            }
        }
    }

    async fn try_begin(&self) -> anyhow::Result<FencedTransaction> {
        let txn = db::begin(&self.pulp().db).await?;
        if check_fence(&txn, self.0.claim, "").await? {
            return Err(Error::Unavailable("The database takes no changes: it is read-only.".into()).into());
        }
        Ok(FencedTransaction { txn, claim: self.0.claim })
    }

    /// Records what the task created, in the transaction that makes it visible (T09).
    pub async fn created(&self, txn: &FencedTransaction, id: Uuid, prn: &Prn) -> anyhow::Result<()> {
        let sql = "INSERT INTO created_resource (task_id, position, object_id, prn)
                   SELECT $1, coalesce(max(position) + 1, 0), $2, $3
                   FROM created_resource WHERE task_id = $1";
        let values = [self.task_id().into(), id.into(), prn.as_str().into()];
        txn.execute_raw(db::sql(sql, values)).await?;
        Ok(())
    }

    /// Starts a progress report (T10). `total` may be set later.
    pub async fn progress(&self, message: &str, code: &str, total: Option<u64>) -> anyhow::Result<Progress> {
        Progress::start(self, message, code, total).await
    }

    /// Dispatches a child: same domain, user and correlation id (T12). It may start at once, or after this
    /// task; never wait for it.
    ///
    /// # Errors
    /// If the database is away, or this task was canceled or given up meanwhile.
    pub async fn dispatch<T: Task>(&self, task: &T) -> anyhow::Result<Uuid> {
        let origin = Origin { parent: Some(self.task_id()), ..self.0.origin.clone() };
        Ok(self.0.dispatcher.dispatch_by(self.0.claim, task, origin).await?)
    }
}

/// A transaction of a task. It commits only if the task is still this worker's; dropped, it rolls back.
#[derive(Debug)]
pub struct FencedTransaction {
    txn: DatabaseTransaction,
    claim: Claim,
}

impl FencedTransaction {
    /// Locks the task's row, checks the claim, and commits.
    ///
    /// # Errors
    /// If the task was canceled or given up meanwhile; nothing is written then.
    pub async fn commit(self) -> anyhow::Result<()> {
        check_fence(&self.txn, self.claim, " FOR SHARE").await?;
        self.txn.commit().await?;
        Ok(())
    }
}

impl Deref for FencedTransaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.txn
    }
}

/// Checks that the claim holds. True if the transaction cannot write.
async fn check_fence(txn: &DatabaseTransaction, claim: Claim, lock: &str) -> anyhow::Result<bool> {
    let sql = format!(
        "SELECT current_setting('transaction_read_only')::boolean AS read_only FROM task
         WHERE pulp_id = $1 AND worker_id = $2 AND claim_token = $3 AND state::text = 'running'{lock}"
    );
    let row = txn
        .query_one_raw(db::sql(&sql, [claim.task.into(), claim.worker.into(), claim.token.into()]))
        .await?;
    let row = row.context("This worker lost its claim on the task (canceled, or declared missing).")?;
    Ok(row.try_get("", "read_only")?)
}

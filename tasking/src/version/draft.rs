//! A version in the making.

use std::sync::Arc;

use entities::{db, kind, repository, repository_version};
use sea_orm::{ActiveModelTrait, ConnectionTrait, Set, Statement};
use uuid::Uuid;

use super::{counts, join_by_hashing, retain, rows, settle};
use crate::{FencedTransaction, RepositoryType, TaskContext};

/// Units per statement.
const BATCH: usize = 5000;

/// A version that is not complete yet. Dropped without [`Draft::finish`], it stays invisible; the end of the
/// task removes it (C18).
#[derive(Debug)]
pub struct Draft {
    cx: TaskContext,
    repository: repository::Model,
    types: Arc<RepositoryType>,
    id: Uuid,
    number: i32,
    base: Option<Uuid>,
    /// Whether units may come back that this version has removed.
    has_removed: bool,
    /// Whether an added unit may take the place of one with the same key.
    overwrite: bool,
}

impl Draft {
    /// Begins a version with the content of the repository's latest. The task has to hold the repository.
    ///
    /// # Errors
    /// If the repository no longer exists, or no plugin of this worker knows its type.
    pub async fn begin(cx: &TaskContext, repository: Uuid) -> anyhow::Result<Draft> {
        let repository = rows::repository(cx, repository).await?;
        let types = cx.repository_type(&repository.pulp_type)?;
        let (id, number) = (Uuid::now_v7(), repository.next_version);
        let txn = cx.begin().await?;
        discard(&txn, repository.pulp_id, number).await?;
        repository_version::ActiveModel {
            pulp_id: Set(id),
            repository_id: Set(repository.pulp_id),
            number: Set(number),
            complete: Set(false),
            task_id: Set(Some(cx.task_id())),
            ..Default::default()
        }
        .insert(&*txn)
        .await?;
        txn.commit().await?;
        let cx = cx.clone();
        Ok(Draft { cx, repository, types, id, number, base: None, has_removed: false, overwrite: true })
    }

    /// Whether an added unit may take the place of one with the same key, as it does by default; if not,
    /// [`Draft::finish`] refuses.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> Draft {
        self.overwrite = overwrite;
        self
    }

    pub(super) fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// The repository.
    pub fn repository(&self) -> &repository::Model {
        &self.repository
    }

    /// The type of the repository.
    pub fn types(&self) -> &RepositoryType {
        &self.types
    }

    /// The number the version gets.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// Sets the content back to that of a complete version.
    pub async fn reset_to(&mut self, number: i32) -> anyhow::Result<()> {
        let base = rows::numbered(&self.cx, self.repository.pulp_id, number).await?;
        let txn = self.cx.begin().await?;
        join_by_hashing(&txn).await?;
        let remove = "UPDATE repository_content SET version_removed = $2
                      WHERE repository_id = $1 AND version_removed IS NULL AND version_added < $2
                        AND version_added > $3
                        AND NOT EXISTS (SELECT FROM repository_content AS base
                                        WHERE base.repository_id = $1 AND base.version_added <= $3
                                          AND base.version_removed > $3
                                          AND base.content_id = repository_content.content_id)";
        txn.execute_raw(self.statement(remove, number)).await?;
        let add = "INSERT INTO repository_content (repository_id, content_id, version_added)
                   SELECT $1, content_id, $2 FROM repository_content
                   WHERE repository_id = $1 AND version_added <= $3 AND version_removed > $3
                     AND version_removed <= $2
                     AND NOT EXISTS (SELECT FROM repository_content AS present
                                     WHERE present.repository_id = $1 AND present.version_removed IS NULL
                                       AND present.content_id = repository_content.content_id)";
        txn.execute_raw(self.statement(add, number)).await?;
        txn.commit().await?;
        self.base = Some(base.pulp_id);
        self.has_removed = true;
        Ok(())
    }

    /// Makes the content that of a complete version of another repository. The task has to hold that one,
    /// too.
    ///
    /// # Errors
    /// If the version no longer exists.
    pub async fn copy(&mut self, repository: Uuid, number: i32) -> anyhow::Result<()> {
        let base = rows::numbered(&self.cx, repository, number).await?;
        let txn = self.cx.begin().await?;
        join_by_hashing(&txn).await?;
        let remove = "UPDATE repository_content SET version_removed = $2
                      WHERE repository_id = $1 AND version_removed IS NULL
                        AND NOT EXISTS (SELECT FROM repository_content AS base
                                        WHERE base.repository_id = $3 AND base.version_added <= $4
                                          AND (base.version_removed IS NULL OR base.version_removed > $4)
                                          AND base.content_id = repository_content.content_id)";
        let add = "INSERT INTO repository_content (repository_id, content_id, version_added)
                   SELECT $1, content_id, $2 FROM repository_content AS base
                   WHERE repository_id = $3 AND version_added <= $4
                     AND (version_removed IS NULL OR version_removed > $4)
                     AND NOT EXISTS (SELECT FROM repository_content AS present
                                     WHERE present.repository_id = $1 AND present.version_removed IS NULL
                                       AND present.content_id = base.content_id)";
        for sql in [remove, add] {
            let own = self.repository.pulp_id;
            let values = [own.into(), self.number.into(), repository.into(), number.into()];
            txn.execute_raw(db::sql(sql, values)).await?;
        }
        txn.commit().await?;
        self.base = Some(base.pulp_id);
        self.has_removed = true;
        Ok(())
    }

    fn statement(&self, sql: &str, base: i32) -> Statement {
        db::sql(sql, [self.repository.pulp_id.into(), self.number.into(), base.into()])
    }

    /// Removes everything.
    pub async fn remove_all(&mut self) -> anyhow::Result<()> {
        self.has_removed = true;
        let txn = self.cx.begin().await?;
        let values = [self.repository.pulp_id.into(), self.number.into()];
        let added = "DELETE FROM repository_content WHERE repository_id = $1 AND version_added = $2";
        txn.execute_raw(db::sql(added, values.clone())).await?;
        let present = "UPDATE repository_content SET version_removed = $2
                       WHERE repository_id = $1 AND version_removed IS NULL";
        txn.execute_raw(db::sql(present, values)).await?;
        txn.commit().await
    }

    /// Removes units; those that are not there are passed over.
    pub async fn remove(&mut self, units: &[Uuid]) -> anyhow::Result<()> {
        for batch in units.chunks(BATCH) {
            let txn = self.cx.begin().await?;
            self.remove_in(&txn, batch).await?;
            txn.commit().await?;
        }
        Ok(())
    }

    /// [`Draft::remove`] in a transaction, at most a few thousand.
    pub async fn remove_in(&mut self, txn: &FencedTransaction, units: &[Uuid]) -> anyhow::Result<()> {
        self.has_removed = true;
        let values = [self.repository.pulp_id.into(), self.number.into(), units.to_vec().into()];
        let added = "DELETE FROM repository_content
                     WHERE repository_id = $1 AND version_added = $2 AND content_id = ANY($3)";
        txn.execute_raw(db::sql(added, values.clone())).await?;
        let present = "UPDATE repository_content SET version_removed = $2
                       WHERE repository_id = $1 AND version_removed IS NULL AND content_id = ANY($3)";
        txn.execute_raw(db::sql(present, values)).await?;
        Ok(())
    }

    /// Adds units; those that are there already are passed over.
    pub async fn add(&self, units: &[Uuid]) -> anyhow::Result<()> {
        for batch in units.chunks(BATCH) {
            let txn = self.cx.begin().await?;
            self.add_in(&txn, batch).await?;
            txn.commit().await?;
        }
        Ok(())
    }

    /// [`Draft::add`] in a transaction that creates the units, at most a few thousand. Returns how many of
    /// them the version did not have yet.
    pub async fn add_in(&self, txn: &FencedTransaction, units: &[Uuid]) -> anyhow::Result<u64> {
        let values = [self.repository.pulp_id.into(), self.number.into(), units.to_vec().into()];
        let mut added = 0;
        if self.has_removed {
            let back = "UPDATE repository_content SET version_removed = NULL
                        WHERE repository_id = $1 AND version_removed = $2 AND content_id = ANY($3)";
            added += txn.execute_raw(db::sql(back, values.clone())).await?.rows_affected();
        }
        let new = "INSERT INTO repository_content (repository_id, content_id, version_added)
                   SELECT DISTINCT $1, unit, $2 FROM unnest($3::uuid[]) AS unit
                   ON CONFLICT (repository_id, content_id) WHERE version_removed IS NULL DO NOTHING";
        added += txn.execute_raw(db::sql(new, values)).await?.rows_affected();
        Ok(added)
    }

    /// Refuses two units of one key that the sync of this task has both declared.
    pub(crate) async fn refuse_listed_twice(&self) -> anyhow::Result<()> {
        let txn = self.cx.begin().await?;
        for key in self.types.keys() {
            settle::refuse_listed_twice(&txn, self, key, self.cx.task_id()).await?;
        }
        txn.commit().await
    }

    /// Settles conflicts of keys, then makes the version visible and the task's created resource. Without a
    /// change there is no version: it is dropped and `None` returned (C12).
    ///
    /// # Errors
    /// If units were added that the repository does not take, or whose keys are in conflict (C13).
    pub async fn finish(mut self) -> anyhow::Result<Option<repository_version::Model>> {
        let (types, hooks) = (self.types.clone(), self.types.hooks());
        let txn = self.cx.begin().await?;
        hooks.before_completion(&txn, &mut self).await?;
        for key in types.keys() {
            settle::settle(&txn, &self, key).await?;
        }
        let counts = counts::of(&*txn, self.repository.pulp_id, self.number).await?;
        if counts.is_unchanged() {
            discard(&txn, self.repository.pulp_id, self.number).await?;
            txn.commit().await?;
            return Ok(None);
        }
        for pulp_type in counts.added_types() {
            anyhow::ensure!(
                types.accepts(pulp_type),
                "a {} repository does not take {pulp_type} content",
                self.repository.pulp_type
            );
        }
        let version = repository_version::ActiveModel {
            pulp_id: Set(self.id),
            base_version_id: Set(self.base),
            complete: Set(true),
            task_id: Set(None),
            content_counts: Set(counts.to_json()),
            ..Default::default()
        }
        .update(&*txn)
        .await?;
        let sql = "UPDATE repository SET next_version = $2 WHERE pulp_id = $1";
        txn.execute_raw(db::sql(sql, [self.repository.pulp_id.into(), (self.number + 1).into()])).await?;
        self.cx.created(&txn, self.id, &kind::REPOSITORY_VERSION.prn(self.id)).await?;
        txn.commit().await?;

        hooks.after_completion(&self.cx, &version).await?;
        retain(&self.cx, self.repository.pulp_id).await?;
        Ok(Some(version))
    }
}

/// Removes an incomplete version of this number, if an earlier task left one.
async fn discard(txn: &FencedTransaction, repository: Uuid, number: i32) -> anyhow::Result<()> {
    let values = [repository.into(), number.into()];
    for sql in [
        "DELETE FROM repository_content WHERE repository_id = $1 AND version_added = $2",
        "UPDATE repository_content SET version_removed = NULL
         WHERE repository_id = $1 AND version_removed = $2",
        "DELETE FROM repository_version WHERE repository_id = $1 AND number = $2 AND NOT complete",
    ] {
        txn.execute_raw(db::sql(sql, values.clone())).await?;
    }
    Ok(())
}

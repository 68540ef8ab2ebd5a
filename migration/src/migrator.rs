//! Brings a database to the schema of this program, and tells how it differs.

use std::fmt;

use entities::db;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use sea_orm_migration::{MigrationTrait, MigratorTraitSelf};

use crate::{Function, functions, record};

/// The schema of an installation: core's, then that of its plugins.
#[derive(Debug)]
pub struct Migrator {
    steps: Steps,
    functions: Vec<Function>,
}

/// What was applied.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The names of the steps, in their order.
    pub steps: Vec<String>,
    /// The names of the functions that were new or differed.
    pub functions: Vec<&'static str>,
    /// The names of the functions that were dropped.
    pub dropped: Vec<String>,
}

/// How the schema of a database is not the one of this program.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// It lacks a step.
    #[error("the database's schema is behind, it lacks {0} (run: pulpcore migrate)")]
    Behind(String),
    /// It has a step that this program does not know.
    #[error("the database's schema is newer than this program, it has {0} (run the newer pulpcore)")]
    Ahead(String),
    /// The tables are the same, but functions are missing, differ, or are not known to this program.
    #[error(
        "the database's functions are those of another version of this program: {} (run: pulpcore migrate)",
        .0.join(", ")
    )]
    Functions(Vec<String>),
}

/// Why the schema could not be brought up to date. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It belongs to a newer program.
    #[error(transparent)]
    Newer(Difference),
    /// A step or a function failed, or the database could not be reached.
    #[error("the schema could not be brought up to date, and is as it was before")]
    Failed(#[from] DbErr),
}

impl Migrator {
    /// A migrator of core and of the steps that `plugins` lists.
    pub fn new(plugins: impl Fn() -> Vec<Box<dyn MigrationTrait>> + Send + Sync + 'static) -> Migrator {
        Migrator { steps: Steps(Box::new(plugins)), functions: functions::core() }
    }

    /// Adds functions of plugins. They may call core's.
    #[must_use]
    pub fn with_functions(mut self, functions: impl FnOnce() -> Vec<Function>) -> Migrator {
        self.functions.extend(functions());
        self
    }

    /// Applies what is missing or differs, in one transaction. Calls of it at the same time wait for each
    /// other.
    ///
    /// # Errors
    /// If the schema is newer than this program, if a step or a function fails, or the database does.
    pub async fn apply(&self, db: &DatabaseConnection) -> Result<Applied, Error> {
        let txn = db::begin(db).await?;
        txn.execute_raw(db::sql("SELECT pg_advisory_xact_lock($1, 0)", [db::lock::MIGRATION.into()])).await?;
        let (known, had) = (self.steps.names(), applied(&txn).await?);
        if let Some(newer) = unknown(&had, &known) {
            return Err(Error::Newer(newer));
        }
        record::create(&txn).await?;
        let recorded = record::read(&txn).await?;
        let of_triggers = self.functions.iter().filter(|function| function.of_trigger);
        let others = self.functions.iter().filter(|function| !function.of_trigger);
        let mut functions = record::apply(&txn, of_triggers, &recorded).await?;
        self.steps.up(&txn, None).await?;
        functions.extend(record::apply(&txn, others, &recorded).await?);
        let names: Vec<&str> = self.functions.iter().map(|function| function.name).collect();
        let dropped: Vec<String> =
            recorded.into_keys().filter(|name| !names.contains(&name.as_str())).collect();
        for name in &dropped {
            record::forget(&txn, name).await?;
        }
        txn.commit().await?;
        let steps = known.into_iter().filter(|step| !had.contains(step)).collect();
        Ok(Applied { steps, functions, dropped })
    }

    /// How the schema of the database is not the one of this program; `None` if it is.
    ///
    /// Functions are compared by what was recorded when they were applied, not by what is in the database:
    /// one that an administrator has changed by hand stays until its file changes.
    pub async fn difference(&self, db: &DatabaseConnection) -> Result<Option<Difference>, DbErr> {
        let (known, had) = (self.steps.names(), applied(db).await?);
        if let Some(missing) = known.iter().find(|step| !had.contains(step)) {
            return Ok(Some(Difference::Behind(missing.clone())));
        }
        if let Some(newer) = unknown(&had, &known) {
            return Ok(Some(newer));
        }
        let mut recorded = record::read(db).await?;
        let other = |function: &&Function| recorded.remove(function.name) != Some(function.digest());
        let mut others: Vec<String> =
            self.functions.iter().filter(other).map(|function| function.name.to_owned()).collect();
        others.extend(recorded.into_keys());
        Ok((!others.is_empty()).then_some(Difference::Functions(others)))
    }
}

/// The steps that the database has; none if nothing was ever applied.
async fn applied(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    if !record::there(db, "seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let rows = db.query_all_raw(db::sql("SELECT version FROM seaql_migrations ORDER BY version", [])).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

fn unknown(had: &[String], known: &[String]) -> Option<Difference> {
    had.iter().find(|step| !known.contains(step)).cloned().map(Difference::Ahead)
}

/// The steps alone, of core and of plugins.
struct Steps(Box<dyn Fn() -> Vec<Box<dyn MigrationTrait>> + Send + Sync>);

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Steps {
    fn names(&self) -> Vec<String> {
        self.migrations().iter().map(|step| step.name().to_owned()).collect()
    }
}

impl MigratorTraitSelf for Steps {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        crate::core().into_iter().chain((self.0)()).collect()
    }
}

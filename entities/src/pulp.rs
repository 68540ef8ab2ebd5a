//! What a process of Pulp holds open: settings, database, artifact store and keys.

use std::sync::Arc;

use anyhow::Context;
use sea_orm::DatabaseConnection;

use crate::Settings;
use crate::secret::Keyring;
use crate::storage::Storage;

/// The handles every part of a process shares; cheap to clone.
#[derive(Clone, Debug)]
pub struct Pulp {
    /// What was configured.
    pub settings: Arc<Settings>,
    /// The pool of database connections.
    pub db: DatabaseConnection,
    /// The artifact store.
    pub storage: Storage,
    /// The keys of stored secrets.
    pub keyring: Keyring,
}

impl Pulp {
    /// Opens everything once. `role` names the process's sessions in `pg_stat_activity`.
    pub async fn open(settings: Arc<Settings>, role: &str) -> anyhow::Result<Pulp> {
        let keyring = Keyring::load(&settings.db_encryption_key)?;
        let storage = Storage::open(&settings)?;
        let db = crate::db::connect(&settings, role).await.context("cannot connect to the database")?;
        Ok(Pulp { settings, db, storage, keyring })
    }
}

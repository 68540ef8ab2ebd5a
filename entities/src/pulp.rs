//! What a process of Pulp holds open: settings, database, artifact store and keys.

use std::sync::Arc;

use anyhow::Context;
use sea_orm::DatabaseConnection;

use crate::kind::Kinds;
use crate::secret::Keyring;
use crate::storage::Storage;
use crate::{Links, Settings, db};

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
    /// The kinds of objects that the process knows, and how they are called below `API_ROOT`.
    pub links: Links,
}

impl Pulp {
    /// Opens everything once. `role` names the process's sessions in `pg_stat_activity`.
    pub async fn open(settings: Arc<Settings>, kinds: Arc<Kinds>, role: &str) -> anyhow::Result<Pulp> {
        let db = db::connect(&settings, role).await.context("cannot connect to the database")?;
        Pulp::with(settings, kinds, db)
    }

    /// As [`Pulp::open`], for a server: statements of requests have limits of time.
    ///
    /// # Errors
    /// As [`Pulp::open`].
    pub async fn open_for_requests(
        settings: Arc<Settings>,
        kinds: Arc<Kinds>,
        role: &str,
    ) -> anyhow::Result<Pulp> {
        let db = db::connect_for_requests(&settings, role).await.context("cannot connect to the database")?;
        Pulp::with(settings, kinds, db)
    }

    fn with(settings: Arc<Settings>, kinds: Arc<Kinds>, db: DatabaseConnection) -> anyhow::Result<Pulp> {
        let keyring = Keyring::load(&settings.db_encryption_key)?;
        let storage = Storage::open(&settings)?;
        let links = Links::new(kinds, &settings.api_root);
        Ok(Pulp { settings, db, storage, keyring, links })
    }
}

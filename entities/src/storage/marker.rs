//! The marker of a store: a file that names the installation whose bytes it holds.
//!
//! A directory whose file system is not mounted looks like an empty store, and one of another installation
//! like a full one. Both are refused, at the start and before every write, so that neither is filled.

use object_store::path::Path as StorePath;
use object_store::{Error as StoreError, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use sea_orm::{DatabaseConnection, FromQueryResult};
use uuid::Uuid;

use super::Storage;
use crate::{Error, Result, db};

/// The name of the marker.
const MARKER: &str = ".pulp-installation";

#[derive(FromQueryResult)]
struct Installation {
    id: Uuid,
    has_artifacts: bool,
}

impl Storage {
    /// Ties the store to the installation of a database: an empty one is marked, if there are no artifacts
    /// yet, and from now on nothing is written to a store without the mark.
    ///
    /// # Errors
    /// If it is marked by another installation, or not at all although there are artifacts.
    pub async fn claim(&self, db: &DatabaseConnection) -> Result<()> {
        let sql = "SELECT installation() AS id, EXISTS (SELECT FROM artifact) AS has_artifacts";
        let found = Installation::find_by_statement(db::sql(sql, [])).one(db).await?;
        let Some(Installation { id, has_artifacts }) = found else { return Ok(()) };
        if self.marked_by().await?.is_none() && !has_artifacts {
            let mark = PutPayload::from(format!("{id}\n"));
            let new = PutOptions::from(PutMode::Create);
            match self.store.put_opts(&StorePath::from(MARKER), mark, new).await {
                Ok(_) | Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let _ = self.installation.set(id);
        self.check_marker().await
    }

    /// Refuses a store that is not that of the installation.
    pub(super) async fn check_marker(&self) -> Result<()> {
        let Some(installation) = self.installation.get() else { return Ok(()) };
        let path = self.root.join(MARKER);
        let advice = format!("If it is the right directory, write {installation} into {}.", path.display());
        let root = self.root.display();
        match self.marked_by().await? {
            Some(found) if found == installation.to_string() => Ok(()),
            Some(found) => Err(Error::Unavailable(format!(
                "MEDIA_ROOT {root} belongs to another installation, {found}. {advice}"
            ))),
            None => Err(Error::Unavailable(format!(
                "MEDIA_ROOT {root} is not the directory that holds the artifacts: is its file system mounted? \
                 {advice}"
            ))),
        }
    }

    async fn marked_by(&self) -> Result<Option<String>> {
        match self.store.get(&StorePath::from(MARKER)).await {
            Ok(found) => Ok(Some(String::from_utf8_lossy(&found.bytes().await?).trim().to_owned())),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

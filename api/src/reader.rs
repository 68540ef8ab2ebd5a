//! What reading rows for a request takes: whose eyes, which names, and where the rows are.

use entities::{Links, Scope, Settings};
use sea_orm::DatabaseConnection;

/// What filters, references and views are given.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// Which rows may be seen.
    pub scope: &'a Scope,
    /// How objects are called for this client.
    pub links: &'a Links,
    /// Where the rows are.
    pub db: &'a DatabaseConnection,
    /// What was configured.
    pub settings: &'a Settings,
}

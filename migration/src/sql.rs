//! A migration that is a file of SQL: what runs is what a database administrator reads.

use sea_orm_migration::prelude::*;

/// One step of the schema, applied in one transaction.
#[derive(Debug)]
pub struct SqlMigration {
    /// Names the step in the database's record of applied steps; never changed after a release.
    pub name: &'static str,
    /// The statements, separated by semicolons.
    pub sql: &'static str,
}

impl MigrationName for SqlMigration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SqlMigration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.sql).await?;
        Ok(())
    }
}

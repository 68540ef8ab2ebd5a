//! Views: how rows are read, and what clients see of them; the response struct gives the schema of the
//! document.

mod identity;
mod values;

use std::future::Future;

use entities::Visible;
use sea_orm::{FromQueryResult, Select};
use serde::Serialize;
use utoipa::ToSchema;

pub use identity::{Dated, Identity, TypedIdentity};
pub use values::{Duration, Hidden, Labels, Link, Name, Time, hidden};

use crate::Result;
use crate::reader::Reader;

/// How the rows of an entity are read and shown.
pub trait View: Send + Sync + 'static {
    /// Whose rows.
    type Entity: Visible;
    /// One row, with what it takes from other tables.
    type Row: FromQueryResult + Send + Sync;
    /// One row as clients see it.
    type Body: Serialize + ToSchema + Send;

    /// Adds columns of other tables to those of the entity. It must leave the number of rows as it is.
    fn select(rows: Select<Self::Entity>) -> Select<Self::Entity> {
        rows
    }

    /// The rows as clients see them. What belongs to several rows is read by one query for all of them.
    ///
    /// # Errors
    /// If the database refuses.
    fn show(
        rows: Vec<Self::Row>,
        reader: &Reader<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Body>>> + Send;
}

/// What is special to a type: the fields it shows beside those that all types have.
pub trait Details<R>: Serialize + ToSchema + Send + Sync + 'static {
    /// Takes them from a row.
    ///
    /// # Errors
    /// If the row's `details` are not those of the type.
    fn of(row: &R, reader: &Reader<'_>) -> Result<Self>
    where
        Self: Sized;
}

/// Of lists over all types: nothing is special.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct NoDetails {}

impl<R> Details<R> for NoDetails {
    fn of(_row: &R, _reader: &Reader<'_>) -> Result<NoDetails> {
        Ok(NoDetails {})
    }
}

//! What a list belongs to: an object of another kind, whose key stands in the list's path.

use std::sync::Arc;

use entities::row::RowId;
use entities::scope::{Visible, key_column};
use entities::{Kind, Scope};
use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QuerySelect, QueryTrait};

use super::of_kind;
use crate::{Error, Request, Result};

/// Finds the row of an id in a scope.
type Find = Arc<dyn Fn(&Scope, RowId) -> SelectStatement + Send + Sync>;

/// Objects of another kind that rows belong to.
#[derive(Clone)]
pub struct Parent {
    kind: &'static Kind,
    /// The column that says to which one a row belongs.
    pub(super) column: &'static str,
    find: Find,
}

impl Parent {
    pub(super) fn of<E: Visible>(kind: &'static Kind, column: &'static str) -> Parent {
        let find = move |scope: &Scope, id: RowId| {
            let rows =
                of_kind(scope.rows::<E>(), kind).filter(key_column::<E>().eq(sea_orm::Value::from(id)));
            rows.select_only().expr_as(Expr::val(1), "found").into_query()
        };
        Parent { kind, column, find: Arc::new(find) }
    }

    /// The id of the one that a request's path names.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none in the scope.
    pub(super) async fn id(&self, request: &Request) -> Result<RowId> {
        let segment = request.segments.first().map(String::as_str).unwrap_or_default();
        let missing = || Error::not_found(self.kind.name, segment);
        let id = self.kind.id(segment).ok_or_else(missing)?;
        match request.db().query_one(&(self.find)(&request.scope, id)).await? {
            Some(_) => Ok(id),
            None => Err(missing()),
        }
    }
}

impl std::fmt::Debug for Parent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parent({}, {})", self.kind.path, self.column)
    }
}

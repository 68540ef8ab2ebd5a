//! Resources of the test plugin that use what the core's own do not use yet: integer keys, changes at once, a
//! table of the type's own, lists of references, nested objects and base64, objects below a parent, raw
//! bodies, and a hook after creation.

mod board;
mod entities;
mod notice;
mod shelf;

use ::entities::row::RowId;
use ::entities::{Kind, Result, Scope, db};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use plugin::Endpoint;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction};

/// The tables; a test that uses the resources creates them.
pub const SCHEMA: &str = include_str!("shelves/schema.sql");

/// Shelves are furniture: what is special to them is in `test_shelf`.
static SHELF: Kind = Kind::typed("test.Shelf", "test_furniture", "test.shelf", "test/shelves")
    .with_integer_key()
    .with_own_table("test_shelf")
    .after_creation(remember);
/// Boards of a shelf.
static BOARD: Kind = Kind::core("test.Board", "test_board", "test/boards");
/// Notices, which are created in tasks.
static NOTICE: Kind = Kind::core("test.Notice", "test_notice", "test/notices").after_creation(remember);

pub(super) fn kinds() -> Vec<&'static Kind> {
    vec![&SHELF, &BOARD, &NOTICE]
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    [shelf::endpoints(), board::endpoints(), notice::endpoints()].concat()
}

/// Writes down who created a row: a row without the other is never seen.
fn remember<'a>(txn: &'a DatabaseTransaction, scope: &'a Scope, id: RowId) -> BoxFuture<'a, Result<()>> {
    let sql = "INSERT INTO test_creator (object, user_id) VALUES ($1, $2)";
    let statement = db::sql(sql, [id.to_string().into(), scope.user().into()]);
    async move {
        txn.execute_raw(statement).await?;
        Ok(())
    }
    .boxed()
}

/// The user who created the row with this key.
fn creator(key: impl ColumnTrait) -> Expr {
    let creator = Query::select()
        .column(Alias::new("user_id"))
        .from(Alias::new("test_creator"))
        .and_where(Expr::col(Alias::new("object")).eq(key.into_expr().cast_as("text")))
        .take();
    Expr::from(creator)
}

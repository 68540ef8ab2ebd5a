//! Reads what the statements of the queue return: structs, tuples in the order of the columns, or one value.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, Statement, TryGetable, TryGetableMany,
};

/// Every row.
pub(crate) async fn all<T: FromQueryResult>(
    db: &DatabaseConnection,
    statement: Statement,
) -> Result<Vec<T>, DbErr> {
    T::find_by_statement(statement).all(db).await
}

/// The first row, if there is one.
pub(crate) async fn first<T: FromQueryResult>(
    db: &DatabaseConnection,
    statement: Statement,
) -> Result<Option<T>, DbErr> {
    T::find_by_statement(statement).one(db).await
}

/// The row of a statement that always returns one.
///
/// # Errors
/// Also if it returned none.
pub(crate) async fn only<T: FromQueryResult>(
    db: &DatabaseConnection,
    statement: Statement,
) -> Result<T, DbErr> {
    first(db, statement).await?.ok_or_else(no_row)
}

/// Every row, as a tuple.
pub(crate) async fn tuples<T: TryGetableMany>(
    db: &DatabaseConnection,
    statement: Statement,
) -> Result<Vec<T>, DbErr> {
    db.query_all_raw(statement).await?.iter().map(|row| row.try_get_many_by_index()).collect()
}

/// The first column of every row.
pub(crate) async fn column<T: TryGetable>(
    db: &DatabaseConnection,
    statement: Statement,
) -> Result<Vec<T>, DbErr> {
    db.query_all_raw(statement).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The one value of a statement that always returns one, such as the call of a function.
///
/// # Errors
/// Also if it returned no row.
pub(crate) async fn value<T: TryGetable>(db: &DatabaseConnection, statement: Statement) -> Result<T, DbErr> {
    db.query_one_raw(statement).await?.ok_or_else(no_row)?.try_get_by_index(0)
}

fn no_row() -> DbErr {
    DbErr::RecordNotFound("the statement returned no row".to_owned())
}

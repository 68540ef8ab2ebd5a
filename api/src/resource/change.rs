//! A row that is about to be created or changed: unique values, secrets, and the rules of its resource.

use entities::error::FieldErrors;
use entities::row::{Row, RowId};
use entities::scope::key_column;
use futures_util::future::BoxFuture;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde_json::Value;

use super::{Resource, column};
use crate::field::Store;
use crate::reader::Reader;
use crate::view::View;
use crate::{Error, Request, Result};

/// A row that is about to be created or changed, for the rules that concern several fields or rows.
#[derive(Debug)]
pub struct Change<'a> {
    /// Who asks.
    pub reader: Reader<'a>,
    /// The row's id; none if it is new.
    pub id: Option<RowId>,
    /// Its columns as they are; secrets as tokens.
    pub current: Row,
    /// The columns that get new values; secrets in the clear.
    pub changes: Row,
}

/// A rule of a resource.
pub type Rule = for<'a> fn(&'a Change<'a>) -> BoxFuture<'a, Result<()>>;

impl Change<'_> {
    /// The value a column will have.
    pub fn value(&self, column: &str) -> &Value {
        self.changes.get(column).or_else(|| self.current.get(column)).unwrap_or(&Value::Null)
    }

    /// Whether a column will have a value.
    pub fn has(&self, column: &str) -> bool {
        !self.value(column).is_null()
    }
}

/// Checks a change, and returns the columns to write; secrets as tokens.
///
/// # Errors
/// What is wrong, by field.
pub(super) async fn checked<V: View>(
    resource: &Resource<V>,
    request: &Request,
    mut change: Change<'_>,
) -> Result<Row> {
    check_unique(resource, request, &change).await?;
    if let Some(rule) = resource.rule {
        rule(&change).await?;
    }
    seal(resource, request, &mut change)?;
    Ok(change.changes)
}

async fn check_unique<V: View>(resource: &Resource<V>, request: &Request, change: &Change<'_>) -> Result<()> {
    let mut errors = FieldErrors::new();
    for field in resource.fields.iter().filter(|field| field.unique) {
        let Some(Value::String(value)) = change.changes.get(field.name) else { continue };
        let Some(column) = column::<V::Entity>(field.name) else { continue };
        let mut others = request.scope.rows::<V::Entity>().filter(column.eq(value.as_str()));
        if let Some(id) = change.id {
            others = others.filter(key_column::<V::Entity>().ne(sea_orm::Value::from(id)));
        }
        let taken = others.select_only().expr_as(Expr::val(1), "taken").into_tuple::<i32>();
        if taken.one(request.db()).await?.is_some() {
            errors.insert(field.name.to_owned(), vec!["This field must be unique.".to_owned()]);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

/// Encrypts new secrets, and drops those that are as they were: a token differs each time it is made.
fn seal<V: View>(resource: &Resource<V>, request: &Request, change: &mut Change<'_>) -> Result<()> {
    let keyring = &request.context.pulp.keyring;
    for field in resource.fields.iter().filter(|field| field.shape.is_secret()) {
        let Store::Column(column) = field.store else { continue };
        let Some(Value::String(secret)) = change.changes.get(column) else { continue };
        let known = match change.current.get(column) {
            Some(Value::String(token)) => Some(keyring.decrypt(token)?),
            _ => None,
        };
        if known.as_ref() == Some(secret) {
            change.changes.remove(column);
        } else {
            let token = keyring.encrypt(secret);
            change.changes.insert(column.to_owned(), token.into());
        }
    }
    Ok(())
}

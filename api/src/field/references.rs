//! References to rows, by href or PRN. They are followed in the scope of the request alone, and yield
//! [`Id`]s.

use std::any::Any;
use std::marker::PhantomData;

use entities::scope::{Visible, key_column};
use entities::{Id, Kind, repository, repository_version};
use sea_orm::{ColumnTrait, EntityName, ExprTrait, QueryFilter};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Shape;
use super::shapes::{list, several, type_name};
use crate::Result;
use crate::reader::Reader;
use crate::resource::of_kind;

/// What a reference led to.
#[derive(Debug)]
pub struct Found {
    /// The id, or the list of ids, as it is stored.
    pub value: Value,
    /// The same as an [`Id`], or as a list of them.
    pub id: Box<dyn Any + Send + Sync>,
}

impl Found {
    /// One row.
    fn one<E>(id: Id<E>) -> Found
    where
        E: sea_orm::EntityTrait,
        E::PrimaryKey: sea_orm::PrimaryKeyTrait<ValueType = Uuid>,
    {
        Found { value: id.key().to_string().into(), id: Box::new(id) }
    }
}

const NO_MATCH: &str = "Invalid hyperlink - No URL match.";
const WRONG_MATCH: &str = "Invalid hyperlink - Incorrect URL match.";
const MISSING: &str = "Invalid hyperlink - Object does not exist.";

/// What one href or PRN in a request may lead to: a field of this shape is a text.
#[async_trait::async_trait]
pub trait Target: std::fmt::Debug + Send + Sync + 'static {
    /// Follows it in the scope of the reader.
    ///
    /// # Errors
    /// If the database refuses; what is wrong with the reference is in the inner result.
    async fn follow(&self, text: &str, reader: &Reader<'_>) -> Result<Result<Found, String>>;
}

#[async_trait::async_trait]
impl<T: Target> Shape for T {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        text(value)
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "format": "uri"})
    }

    fn is_relation(&self) -> bool {
        true
    }

    async fn find(&self, value: &Value, reader: &Reader<'_>) -> Result<Option<Result<Found, String>>> {
        match value.as_str() {
            Some(text) => Ok(Some(self.follow(text, reader).await?)),
            None => Ok(None),
        }
    }
}

/// A row of `E`.
#[derive(Clone, Copy, Debug)]
pub struct Reference<E> {
    kind: Option<&'static Kind>,
    entity: PhantomData<fn() -> E>,
}

impl<E> Reference<E> {
    /// Of any kind in the table.
    pub fn any() -> Reference<E> {
        Reference { kind: None, entity: PhantomData }
    }

    /// Of one kind.
    pub fn of(kind: &'static Kind) -> Reference<E> {
        Reference { kind: Some(kind), entity: PhantomData }
    }
}

impl<E> Reference<E>
where
    E: Visible + EntityName,
    E::PrimaryKey: sea_orm::PrimaryKeyTrait<ValueType = Uuid>,
{
    async fn id(&self, text: &str, reader: &Reader<'_>) -> Result<Result<Id<E>, String>> {
        let (kind, id) = match reader.links.parse(text) {
            None => return Ok(Err(NO_MATCH.to_owned())),
            Some(entities::Reference::Object { kind, id }) => (kind, id),
            Some(_) => return Ok(Err(WRONG_MATCH.to_owned())),
        };
        if kind.table != E::default().table_name() || self.kind.is_some_and(|wanted| wanted != kind) {
            return Ok(Err(WRONG_MATCH.to_owned()));
        }
        let found = reader.scope.first(reader.db, |rows| by_key(of_kind(rows, kind), id)).await?;
        Ok(found.ok_or_else(|| MISSING.to_owned()))
    }
}

#[async_trait::async_trait]
impl<E> Target for Reference<E>
where
    E: Visible + EntityName + std::fmt::Debug,
    E::PrimaryKey: sea_orm::PrimaryKeyTrait<ValueType = Uuid>,
{
    async fn follow(&self, text: &str, reader: &Reader<'_>) -> Result<Result<Found, String>> {
        Ok(self.id(text, reader).await?.map(Found::one))
    }
}

/// A list of rows of `E`.
#[derive(Clone, Copy, Debug)]
pub struct References<E>(pub Reference<E>);

#[async_trait::async_trait]
impl<E> Shape for References<E>
where
    E: Visible + EntityName + std::fmt::Debug,
    E::PrimaryKey: sea_orm::PrimaryKeyTrait<ValueType = Uuid>,
{
    fn read(&self, value: &Value, is_form: bool) -> Result<Value, String> {
        list(several(value, is_form), |item| text(item).map(drop))
    }

    fn schema(&self) -> Value {
        json!({"type": "array", "items": {"type": "string", "format": "uri"}})
    }

    async fn find(&self, value: &Value, reader: &Reader<'_>) -> Result<Option<Result<Found, String>>> {
        let mut ids: Vec<Id<E>> = Vec::new();
        for text in value.as_array().into_iter().flatten().filter_map(Value::as_str) {
            match self.0.id(text, reader).await? {
                Ok(id) => ids.push(id),
                Err(message) => return Ok(Some(Err(message))),
            }
        }
        let value = ids.iter().map(|id| Value::from(id.key().to_string())).collect();
        Ok(Some(Ok(Found { value, id: Box::new(ids) })))
    }
}

/// A complete repository version, by the href with its number or by its PRN.
#[derive(Clone, Copy, Debug)]
pub struct Version;

#[async_trait::async_trait]
impl Target for Version {
    async fn follow(&self, text: &str, reader: &Reader<'_>) -> Result<Result<Found, String>> {
        let Some(reference) = reader.links.parse(text) else { return Ok(Err(NO_MATCH.to_owned())) };
        let wrong = if is_version(reference) { MISSING } else { WRONG_MATCH };
        let id = version_id(reference, reader).await?;
        Ok(id.map(Found::one).ok_or_else(|| wrong.to_owned()))
    }
}

fn is_version(reference: entities::Reference) -> bool {
    match reference {
        entities::Reference::Version { .. } => true,
        entities::Reference::Object { kind, .. } => kind.table == "repository_version",
        entities::Reference::Numbered { .. } => false,
    }
}

/// The version that a reference leads to, if there is one in the scope and it is complete.
pub(crate) async fn version_id(
    reference: entities::Reference,
    reader: &Reader<'_>,
) -> Result<Option<Id<repository_version::Entity>>> {
    use repository_version::Column;
    let condition = match reference {
        entities::Reference::Version { kind, repository, number } => Column::RepositoryId
            .eq(repository)
            .and(Column::Number.eq(number))
            .and(repository::Column::PulpType.eq(kind.pulp_type.unwrap_or_default())),
        entities::Reference::Object { kind, id } if kind.table == "repository_version" => {
            Column::PulpId.eq(id)
        }
        _ => return Ok(None),
    };
    reader.scope.first(reader.db, |rows| rows.filter(Column::Complete.eq(true)).filter(condition)).await
}

fn by_key<E: Visible>(rows: sea_orm::Select<E>, id: Uuid) -> sea_orm::Select<E> {
    rows.filter(key_column::<E>().eq(id))
}

fn text(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(_) => Ok(value.clone()),
        other => Err(format!("Incorrect type. Expected URL string, received {}.", type_name(other))),
    }
}

/// A relation that cannot be followed yet, because there are no such rows: only null can be given.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

#[async_trait::async_trait]
impl Target for Nothing {
    async fn follow(&self, _text: &str, _reader: &Reader<'_>) -> Result<Result<Found, String>> {
        Ok(Err(NO_MATCH.to_owned()))
    }
}

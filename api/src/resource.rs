//! Resources: one description each, from which lists, reads and changes follow.

mod change;
mod label;
mod page;
mod parent;
mod selection;
mod write;

use std::str::FromStr;
use std::sync::Arc;

use entities::scope::{KeyOf, Visible, key_column};
use entities::{Id, Kind};
use http::{Method, StatusCode};
use sea_orm::sea_query::{Expr, Order};
use sea_orm::{ColumnTrait, EntityTrait, IdenStatic, QueryFilter, Select, TryGetable};
use uuid::Uuid;

pub use change::{Change, Rule};
pub use label::labels;
pub use parent::Parent;
pub use write::{create, create_in_task, creation, destroy, destroy_in_task, updates, updates_in_task};

use crate::field::Field;
use crate::filter::Filter;
use crate::permission::Permission;
use crate::schema::{Component, field_selection};
use crate::view::View;
use crate::{Endpoint, Error, Request, Response, Result};

use selection::Selection;

type Narrow<E> = Arc<dyn Fn(Select<E>) -> Select<E> + Send + Sync>;

/// What a segment of a resource's path is compared with; none if it is no value of the column.
pub type Key = Arc<dyn Fn(&str) -> Option<Expr> + Send + Sync>;

/// A key that is a UUID.
pub fn uuid_key(column: impl ColumnTrait) -> Key {
    Arc::new(move |segment| Some(column.eq(segment.parse::<Uuid>().ok()?)))
}

/// A key that is an integer.
pub fn integer_key(column: impl ColumnTrait) -> Key {
    Arc::new(move |segment| Some(column.eq(segment.parse::<i32>().ok()?)))
}

/// A key that is the id of an object of this kind.
fn key_of(kind: &'static Kind, column: impl ColumnTrait) -> Key {
    Arc::new(move |segment| Some(column.eq(sea_orm::Value::from(kind.id(segment)?))))
}

/// A resource.
pub struct Resource<V: View> {
    /// The kind of its objects.
    pub kind: &'static Kind,
    /// What its operationIds begin with, such as `repositories_file_file`.
    pub operation: String,
    /// Its tag in the document (R05).
    pub tag: String,
    /// The parameter that holds its href in the document (R06).
    pub href: String,
    /// The name of its schema, such as `file.FileRepository`.
    pub schema: String,
    /// The path of its list below the root.
    pub path: String,
    /// The path of its list in the document, where that is not the same.
    pub list_template: Option<String>,
    /// Which rows of the entity are its objects, and the tables its filters look at.
    pub narrow: Narrow<V::Entity>,
    /// What identifies an object in its path; all but the last are of the list's path.
    pub keys: Vec<Key>,
    /// What its list belongs to, by the first key.
    pub parent: Option<Parent>,
    /// The fields that requests may hold.
    pub fields: Vec<Field>,
    /// The fields of the short form (R12).
    pub minimal: &'static [&'static str],
    /// The filters of its list.
    pub filters: Vec<Filter>,
    /// What its list may be ordered by: names, and what they stand for.
    pub orderings: Vec<(&'static str, Expr)>,
    /// The order of its list if a request asks for none (R10).
    pub default_order: Vec<(Expr, Order)>,
    /// What ends every order, so that pages do not overlap: the last one is the key.
    pub tie_break: Vec<(Expr, Order)>,
    /// What new and changed rows have to obey beyond their fields.
    pub rule: Option<Rule>,
}

/// Only the rows of the kind's type, where several kinds share a table.
pub(crate) fn of_kind<E: EntityTrait>(rows: Select<E>, kind: &Kind) -> Select<E> {
    match (kind.pulp_type, E::Column::from_str("pulp_type")) {
        (Some(pulp_type), Ok(column)) => rows.filter(column.eq(pulp_type)),
        _ => rows,
    }
}

fn column<E: EntityTrait>(name: &str) -> Option<E::Column> {
    E::Column::from_str(name).ok()
}

impl<V: View> Resource<V> {
    /// The objects of one kind, newest first.
    pub fn new(kind: &'static Kind) -> Resource<V> {
        let key = key_column::<V::Entity>();
        let created = column::<V::Entity>("pulp_created").map(|column| (column.into_expr(), Order::Desc));
        let default_order: Vec<(Expr, Order)> = created.into_iter().collect();
        let mut tie_break = default_order.clone();
        tie_break.push((key.into_expr(), Order::Desc));
        Resource {
            kind,
            operation: kind.operation(),
            tag: kind.tag(),
            href: kind.href_parameter(),
            schema: kind.name.to_owned(),
            path: format!("{}/", kind.path),
            list_template: None,
            narrow: Arc::new(move |rows| of_kind(rows, kind)),
            keys: vec![key_of(kind, key)],
            parent: None,
            fields: Vec::new(),
            minimal: &[],
            filters: Vec::new(),
            orderings: Vec::new(),
            default_order,
            tie_break,
            rule: None,
        }
    }

    /// The same description for another view of the same rows, without its writable fields.
    pub fn viewed_as<W: View<Entity = V::Entity>>(&self) -> Resource<W> {
        Resource {
            kind: self.kind,
            operation: self.operation.clone(),
            tag: self.tag.clone(),
            href: self.href.clone(),
            schema: format!("{}Detail", self.schema),
            path: self.path.clone(),
            list_template: self.list_template.clone(),
            narrow: self.narrow.clone(),
            keys: self.keys.clone(),
            parent: self.parent.clone(),
            fields: self.fields.clone(),
            minimal: self.minimal,
            filters: self.filters.clone(),
            orderings: self.orderings.clone(),
            default_order: self.default_order.clone(),
            tie_break: self.tie_break.clone(),
            rule: self.rule,
        }
    }

    /// Puts its list below the objects of another kind, at `<href>/<name>/`: `column` says to which one a row
    /// belongs. A new row belongs to the one in the path.
    #[must_use]
    pub fn below<P: Visible>(
        mut self,
        parent: &'static Kind,
        name: &str,
        column: <V::Entity as EntityTrait>::Column,
    ) -> Self {
        self.path = format!("{}/{{parent}}/{name}/", parent.path);
        self.list_template = Some(format!("{{{}}}{name}/", parent.href_parameter()));
        self.keys.insert(0, key_of(parent, column));
        self.parent = Some(Parent::of::<P>(parent, column.as_str()));
        self
    }

    /// Narrows its rows further, or joins tables that its filters look at.
    #[must_use]
    pub fn with(
        mut self,
        more: impl Fn(Select<V::Entity>) -> Select<V::Entity> + Send + Sync + 'static,
    ) -> Self {
        let narrow = self.narrow.clone();
        self.narrow = Arc::new(move |rows| more(narrow(rows)));
        self
    }

    /// Lets the list be ordered by columns, under their names.
    #[must_use]
    pub fn ordered_by<C: ColumnTrait>(
        mut self,
        columns: impl IntoIterator<Item = (&'static str, C)>,
    ) -> Self {
        self.orderings.extend(columns.into_iter().map(|(name, column)| (name, column.into_expr())));
        self.orderings.sort_by_key(|(name, _)| *name);
        self
    }

    /// The schema of its answers.
    pub fn component(&self) -> Component {
        Component::named::<V::Body>(format!("{}Response", self.schema)).writable(&self.fields)
    }

    /// The permission to do something with its objects.
    pub fn permission(&self, verb: &str) -> Permission {
        Permission::Named(self.kind.permission(verb))
    }

    /// An operation on one object, documented below its href.
    pub fn action<F, Answer>(
        &self,
        method: Method,
        action: &str,
        verb: &str,
        permission: Permission,
        handler: F,
    ) -> Endpoint
    where
        F: Fn(Request) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Response>> + Send + 'static,
    {
        let path = format!("{}{{pk}}/{action}", self.path);
        let operation = format!("{}_{verb}", self.operation);
        Endpoint::new(method, path, operation, self.tag.clone(), permission, handler)
            .template(format!("{{{}}}{action}", self.href))
    }

    /// The rows of the request's scope that its path leads to, by so many keys.
    fn rows(&self, request: &Request, keys: usize) -> Result<Select<V::Entity>> {
        let mut rows = (self.narrow)(request.scope.rows::<V::Entity>());
        for (position, key) in self.keys.iter().take(keys).enumerate() {
            let segment = request.segments.get(position).map(String::as_str).unwrap_or_default();
            let condition = key(segment).ok_or_else(|| self.missing(segment))?;
            rows = rows.filter(condition);
        }
        Ok(rows)
    }

    /// The id of the object that a request's path names.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none in the scope.
    pub async fn id(&self, request: &Request) -> Result<Id<V::Entity>>
    where
        KeyOf<V::Entity>: TryGetable + Send + Sync,
    {
        let rows = self.rows(request, self.keys.len())?;
        let id = request.scope.first(request.db(), |_| rows).await?;
        id.ok_or_else(|| self.missing(&request.path))
    }

    /// The row of the object that a request's path names.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none in the scope.
    pub async fn find(&self, request: &Request) -> Result<<V::Entity as EntityTrait>::Model> {
        let row = self.rows(request, self.keys.len())?.one(request.db()).await?;
        row.ok_or_else(|| self.missing(&request.path))
    }

    /// The answer that shows the object that a request's path names.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none in the scope.
    pub async fn show(&self, request: &Request, status: StatusCode) -> Result<Response> {
        let rows = self.rows(request, self.keys.len())?;
        let body = self.bodies(request, rows).await?.into_iter().next();
        let body = body.ok_or_else(|| self.missing(&request.path))?;
        self.selection(request).answer(status, &body)
    }

    /// One object of the scope by its key.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn body_of(&self, request: &Request, key: impl Into<sea_orm::Value>) -> Result<V::Body> {
        let rows = (self.narrow)(request.scope.rows::<V::Entity>());
        let rows = rows.filter(key_column::<V::Entity>().eq(key.into()));
        let body = self.bodies(request, rows).await?.into_iter().next();
        body.ok_or_else(|| self.missing(&request.path))
    }

    async fn bodies(&self, request: &Request, rows: Select<V::Entity>) -> Result<Vec<V::Body>> {
        let rows = V::select(rows).into_model::<V::Row>().all(request.db()).await?;
        V::show(rows, &request.reader()).await
    }

    fn selection<'a>(&self, request: &'a Request) -> Selection<'a> {
        Selection::of(&request.query, self.minimal)
    }

    fn missing(&self, key: &str) -> Error {
        Error::not_found(self.kind.name, key)
    }
}

/// A handler that shares a value.
pub fn sharing<T, F, Answer>(
    value: &Arc<T>,
    handler: F,
) -> impl Fn(Request) -> Answer + Send + Sync + use<T, F, Answer>
where
    T: Send + Sync,
    F: Fn(Arc<T>, Request) -> Answer + Send + Sync,
{
    let value = value.clone();
    move |request| handler(value.clone(), request)
}

/// The operation that lists a resource.
pub fn list<V: View>(resource: &Arc<Resource<V>>) -> Endpoint {
    let handler = sharing(resource, async |resource, request| page::list(&resource, &request).await);
    let endpoint = Endpoint::new(
        Method::GET,
        resource.path.clone(),
        format!("{}_list", resource.operation),
        resource.tag.clone(),
        resource.permission("view"),
        handler,
    )
    .summary(format!("List {}", resource.kind.nouns()))
    .parameters(resource.filters.iter().map(|filter| filter.parameter.clone()))
    .parameters(page::parameters(resource))
    .parameters(field_selection())
    .answer(StatusCode::OK, resource.component().page());
    match &resource.list_template {
        Some(template) => endpoint.template(template.clone()),
        None => endpoint,
    }
}

/// The operation that reads one object.
pub fn read<V: View>(resource: &Arc<Resource<V>>) -> Endpoint {
    let handler = sharing(resource, async |resource: Arc<Resource<V>>, request: Request| {
        resource.show(&request, StatusCode::OK).await
    });
    resource
        .action(Method::GET, "", "read", resource.permission("view"), handler)
        .summary(format!("Inspect {}", resource.kind.a_noun()))
        .parameters(field_selection())
        .answer(StatusCode::OK, resource.component())
}

impl<V: View> std::fmt::Debug for Resource<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resource({})", self.operation)
    }
}

//! Resources: one description each, from which lists, reads and changes follow.

mod change;
mod label;
mod page;

use std::sync::Arc;

use entities::Kind;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use sea_orm::{ConnectionTrait, Value};
use serde_json::Map;
use uuid::Uuid;

pub use change::{create, create_in_task, destroy, find, updates};
pub use label::labels;

use crate::field::{Field, read_component};
use crate::filter::Filter;
use crate::query::Query;
use crate::schema::{Component, field_selection};
use crate::sql::Conditions;
use crate::{Context, Endpoint, Error, Request, Response, Result, response};

/// Stands for the address of the content app in the SQL of a field.
pub const CONTENT_URL: &str = "{content_url}";

/// What a segment of a resource's path is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A UUID in this column.
    Id(&'static str),
    /// An integer in this column.
    Number(&'static str),
}

/// A row that is about to be made or changed, for the rules that concern several fields or rows.
#[derive(Debug)]
pub struct Change<'a> {
    /// What all requests share.
    pub context: &'a Context,
    /// The domain.
    pub domain: Uuid,
    /// The row's id; none if it is new.
    pub id: Option<Uuid>,
    /// Its columns as they are; secrets as tokens.
    pub current: Map<String, serde_json::Value>,
    /// The columns that get new values; secrets in the clear.
    pub changes: Map<String, serde_json::Value>,
}

impl Change<'_> {
    /// The value a column will have.
    pub fn value(&self, column: &str) -> &serde_json::Value {
        self.changes.get(column).or_else(|| self.current.get(column)).unwrap_or(&serde_json::Value::Null)
    }

    /// Whether a column will have a value.
    pub fn has(&self, column: &str) -> bool {
        !self.value(column).is_null()
    }
}

/// A rule of a resource.
pub type Rule = for<'a> fn(&'a Change<'a>) -> BoxFuture<'a, Result<()>>;

/// A resource. The row is called `t` in all its SQL.
#[derive(Clone)]
pub struct Viewset {
    /// The kind of its objects.
    pub kind: &'static Kind,
    /// What its operationIds begin with, such as `repositories_file_file`.
    pub operation: &'static str,
    /// The name of its schema, such as `file.FileRepository`.
    pub schema: &'static str,
    /// Its tag in the document (R05).
    pub tag: &'static str,
    /// The parameter that holds its href in the document (R06).
    pub href: &'static str,
    /// The path of its list below the root.
    pub path: String,
    /// The path of its list in the document, where that is not the same.
    pub list_template: Option<&'static str>,
    /// Table and joins.
    pub from: String,
    /// The column of the domain, if its rows belong to one.
    pub domain: Option<&'static str>,
    /// Conditions that always hold.
    pub scope: Vec<String>,
    /// What identifies an object in its path; all but the last are of the list's path.
    pub keys: &'static [Key],
    /// What its list has to belong to: the query that finds it, by the list's key.
    pub parent: Option<String>,
    /// Its fields, in order.
    pub fields: Vec<Field>,
    /// Fields that only a read shows.
    pub detail_fields: Vec<Field>,
    /// The fields of the short form (R12).
    pub minimal: &'static [&'static str],
    /// The filters of its list.
    pub filters: Vec<Filter>,
    /// What its list may be ordered by: names, and the expressions they stand for.
    pub orderings: Vec<(&'static str, String)>,
    /// The order of its list if nobody asks for another (R10).
    pub default_order: &'static str,
    /// What ends every order, so that pages do not overlap.
    pub tie_break: &'static str,
    /// What new and changed rows have to obey beyond their fields.
    pub rule: Option<Rule>,
}

impl Viewset {
    /// A resource of one kind, in the table of that kind.
    pub fn new(
        kind: &'static Kind,
        operation: &'static str,
        schema: &'static str,
        tag: &'static str,
        href: &'static str,
    ) -> Viewset {
        Viewset {
            kind,
            operation,
            schema,
            tag,
            href,
            path: format!("{}/", kind.path),
            list_template: None,
            from: format!("{} AS t", kind.table),
            domain: Some("t.pulp_domain_id"),
            scope: Vec::new(),
            keys: &[Key::Id("t.pulp_id")],
            parent: None,
            fields: Vec::new(),
            detail_fields: Vec::new(),
            minimal: &[],
            filters: Vec::new(),
            orderings: Vec::new(),
            default_order: "t.pulp_created DESC",
            tie_break: "t.pulp_created DESC, t.pulp_id DESC",
            rule: None,
        }
    }

    /// Only rows of the kind's type; for tables that several kinds share.
    #[must_use]
    pub fn of_its_type(mut self) -> Viewset {
        self.scope.push(format!("t.pulp_type = '{}'", self.kind.pulp_type));
        self
    }

    /// Lets the list be ordered by columns of `t`.
    #[must_use]
    pub fn ordered_by(mut self, columns: &[&'static str]) -> Viewset {
        self.orderings.extend(columns.iter().map(|column| (*column, format!("t.{column}"))));
        self
    }

    /// The schema of its answers.
    pub fn component(&self) -> Component {
        read_component(self.schema, &self.fields)
    }

    /// The path of one object, and below it.
    pub fn object_path(&self, action: &str) -> String {
        format!("{}{{pk}}/{action}", self.path)
    }

    /// An operation on one object, documented below its href.
    pub fn action<F, Answer>(&self, method: Method, action: &str, verb: &str, handler: F) -> Endpoint
    where
        F: Fn(Request) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Response>> + Send + 'static,
    {
        let operation = format!("{}_{verb}", self.operation);
        Endpoint::new(method, self.object_path(action), operation, self.tag, handler)
            .template(format!("{{{}}}{action}", self.href))
    }

    /// The conditions that a request's domain and path put on rows.
    fn conditions(&self, request: &Request, keys: usize) -> Result<Conditions> {
        let worker_ttl = request.context.pulp.settings.worker_ttl.as_secs_f64();
        let mut conditions = Conditions::default();
        conditions.worker_ttl = worker_ttl;
        if let Some(column) = self.domain {
            let domain = conditions.bind(request.domain());
            conditions.push(format!("{column} = {domain}"));
        }
        for (position, key) in self.keys.iter().take(keys).enumerate() {
            let (column, value) = match key {
                Key::Id(column) => (column, Value::from(request.parsed::<Uuid>(position)?)),
                Key::Number(column) => (column, Value::from(request.parsed::<i32>(position)?)),
            };
            let value = conditions.bind(value);
            conditions.push(format!("{column} = {value}"));
        }
        for scope in &self.scope {
            conditions.push(scope.clone());
        }
        Ok(conditions)
    }

    /// The expression of one object with the fields that the query asks for (R11, R12).
    fn output(&self, context: &Context, query: &Query, detailed: bool) -> String {
        let (wanted, unwanted) = (query.list("fields"), query.list("exclude_fields"));
        let short = query.get("minimal").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let details = if detailed { self.detail_fields.as_slice() } else { &[] };
        let pairs: Vec<String> = self
            .fields
            .iter()
            .chain(details)
            .filter(|field| wanted.is_empty() || wanted.contains(&field.name))
            .filter(|field| !unwanted.contains(&field.name))
            .filter(|field| !short || self.minimal.is_empty() || self.minimal.contains(&field.name))
            .filter_map(|field| Some(format!("'{}', {}", field.name, field.output.as_ref()?)))
            .collect();
        let body = format!("json_build_object({})::text AS body", pairs.join(", "));
        body.replace(CONTENT_URL, &content_url(&context.pulp.settings))
    }

    /// The JSON of the object that a request's path names.
    pub async fn show(&self, request: &Request) -> Result<String> {
        let conditions = self.conditions(request, self.keys.len())?;
        let sql = format!(
            "SELECT {} FROM {}{}",
            self.output(&request.context, &request.query, true),
            self.from,
            conditions.text()
        );
        let row = request.context.pulp.db.query_one_raw(conditions.statement(&sql)).await?;
        let row = row.ok_or_else(|| Error::not_found(self.kind.model, request.path.as_str()))?;
        Ok(row.try_get("", "body")?)
    }

    /// The JSON of an object by its id.
    pub async fn show_by_id(&self, context: &Context, id: Uuid) -> Result<String> {
        let mut conditions = Conditions::default();
        let bound = conditions.bind(id);
        conditions.push(format!("t.pulp_id = {bound}"));
        let sql = format!(
            "SELECT {} FROM {}{}",
            self.output(context, &Query::default(), true),
            self.from,
            conditions.text()
        );
        let row = context.pulp.db.query_one_raw(conditions.statement(&sql)).await?;
        let row = row.ok_or_else(|| Error::not_found(self.kind.model, id))?;
        Ok(row.try_get("", "body")?)
    }
}

/// Where the content app is, as a literal of SQL.
fn content_url(settings: &entities::Settings) -> String {
    let origin = settings.content_origin.as_deref().unwrap_or_default().trim_end_matches('/');
    format!("'{}'", format!("{origin}{}", settings.content_path_prefix).replace('\'', "''"))
}

/// The operation that lists a resource.
pub fn list(viewset: &Arc<Viewset>) -> Endpoint {
    let shared = viewset.clone();
    let handler = move |request| {
        let viewset = shared.clone();
        async move { page::list(&viewset, &request).await }
    };
    let operation = format!("{}_list", viewset.operation);
    let endpoint = Endpoint::new(Method::GET, viewset.path.clone(), operation, viewset.tag, handler)
        .summary("Lists them, a page at a time.")
        .parameters(viewset.filters.iter().map(|filter| filter.parameter.clone()))
        .parameters(page::parameters(viewset))
        .parameters(field_selection())
        .answer(StatusCode::OK, viewset.component().page());
    match viewset.list_template {
        Some(template) => endpoint.template(template),
        None => endpoint,
    }
}

/// The operation that reads one object.
pub fn read(viewset: &Arc<Viewset>) -> Endpoint {
    let shared = viewset.clone();
    let handler = move |request: Request| {
        let viewset = shared.clone();
        async move { Ok(response::json_text(StatusCode::OK, viewset.show(&request).await?)) }
    };
    let component = match viewset.detail_fields.is_empty() {
        true => viewset.component(),
        false => {
            let fields = [viewset.fields.as_slice(), &viewset.detail_fields].concat();
            read_component(&format!("{}Detail", viewset.schema), &fields)
        }
    };
    viewset
        .action(Method::GET, "", "read", handler)
        .summary("Shows one.")
        .parameters(field_selection())
        .answer(StatusCode::OK, component)
}

impl std::fmt::Debug for Viewset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Viewset({})", self.operation)
    }
}

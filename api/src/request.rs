//! What handlers are given.

use entities::{Href, Links, Scope, kind};
use front::RequestInfo;
use http::HeaderMap;
use http::StatusCode;
use sea_orm::DatabaseConnection;
use serde::Serialize;
use tasking::{Origin, Task};
use uuid::Uuid;

use crate::auth::User;
use crate::body::{Body, Form};
use crate::query::Query;
use crate::reader::Reader;
use crate::response::{self, Response};
use crate::{Context, Error, Result};

/// One request whose path and method have matched and whose user is known.
#[derive(Debug)]
pub struct Request {
    /// What all requests share.
    pub context: Context,
    /// Who asks; nobody where an operation is open to all.
    pub user: Option<User>,
    /// Which rows the request may see.
    pub scope: Scope,
    /// How objects are called for this client.
    pub links: Links,
    /// The correlation id, and where the request comes from.
    pub info: RequestInfo,
    /// The path, without the query.
    pub path: String,
    /// What stands for the `{…}` of the endpoint's path, in order.
    pub segments: Vec<String>,
    /// The query.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, unread.
    pub body: Body,
}

/// The answer of an operation that goes on as a task. It has this one key and no other (R28).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AsyncOperationResponse)]
pub struct AsyncOperationResponse {
    /// The href of the task.
    #[schema(value_type = String, format = "uri")]
    pub task: Href,
}

impl Request {
    /// The pool of database connections.
    pub fn db(&self) -> &DatabaseConnection {
        &self.context.pulp.db
    }

    /// What reading rows for this request takes.
    pub fn reader(&self) -> Reader<'_> {
        let pulp = &self.context.pulp;
        Reader { scope: &self.scope, links: &self.links, db: &pulp.db, settings: &pulp.settings }
    }

    /// The first id of the path.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is no UUID (R25).
    pub fn id(&self) -> Result<Uuid> {
        self.parsed(0)
    }

    /// A segment of the path as a value; not found if it is none.
    pub fn parsed<T: std::str::FromStr>(&self, position: usize) -> Result<T> {
        let segment = self.segments.get(position).map(String::as_str).unwrap_or_default();
        segment.parse().map_err(|_| Error::not_found("object", segment))
    }

    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the body as fields; a form with files is refused.
    pub async fn fields(&mut self) -> Result<Form> {
        self.body.fields(&self.headers).await
    }

    /// Reads the body as a form whose files are staged as they come.
    pub async fn form(&mut self) -> Result<Form> {
        self.body.form(&self.headers, &self.context.pulp.storage).await
    }

    /// Where a task of this request comes from.
    pub fn origin(&self) -> Origin {
        Origin {
            domain: self.scope.domain(),
            user: self.scope.user(),
            logging_cid: self.info.correlation_id.clone(),
            parent: None,
            group: None,
        }
    }

    /// Dispatches a task and answers 202 with its href.
    pub async fn dispatch<T: Task>(&self, task: &T) -> Result<Response> {
        let id = self.context.dispatcher.dispatch(task, self.origin()).await?;
        let body = AsyncOperationResponse { task: self.links.href(&kind::TASK, id) };
        response::json(StatusCode::ACCEPTED, &body)
    }

    /// The address of this request with another query, as the client sees it: for `next` and `previous`.
    pub fn url(&self, query: &str) -> String {
        match query {
            "" => self.info.url(&self.path),
            query => self.info.url(&format!("{}?{query}", self.path)),
        }
    }
}

//! An endpoint is one value, from which both the router and the API document are made.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use utoipa::openapi::path::Parameter;

use crate::permission::Permission;
use crate::request::AsyncOperationResponse;
use crate::schema::Component;
use crate::{Request, Response, Result};

type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Response>> + Send + Sync>;

/// Which bodies an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// JSON, or a form without files.
    Fields,
    /// A form that may hold files; no JSON.
    Files,
    /// Bytes of any kind, which the handler reads as they come.
    Bytes,
}

impl Media {
    /// The media types, in the order in which clients try them.
    pub fn types(self) -> &'static [&'static str] {
        match self {
            Media::Fields => {
                &["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
            }
            Media::Files => &["multipart/form-data", "application/x-www-form-urlencoded"],
            Media::Bytes => &["application/octet-stream"],
        }
    }
}

/// Where the path of an endpoint begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// At the root of the REST API: `/pulp/api/v3/`.
    Api,
    /// At the root of the host: `/auth/login/`. Such endpoints are not part of the document.
    Host,
}

/// One operation of the REST API.
#[derive(Clone)]
pub struct Endpoint {
    /// Its method.
    pub method: Method,
    /// Where its path begins.
    pub base: Base,
    /// Its path below the base; `{…}` stands for one segment.
    pub path: String,
    /// Its path in the API document, where one parameter holds a whole href (R06); none if it is `path`.
    pub template: Option<String>,
    /// Its name, by which clients find it (R04).
    pub operation_id: String,
    /// The group of the operation, from which bindings make a class (R05).
    pub tag: String,
    /// One sentence on what it does.
    pub summary: String,
    /// What its user needs.
    pub permission: Permission,
    /// Query and header parameters; those of the path follow from the template.
    pub parameters: Vec<Parameter>,
    /// What it takes.
    pub body: Option<(Media, Component)>,
    /// What it returns if all is well, and in the cases that clients are prepared for.
    pub answers: Vec<(StatusCode, Option<Component>)>,
    handler: Handler,
}

impl Endpoint {
    /// An operation on a path below the root of the API.
    pub fn new<F, Answer>(
        method: Method,
        path: impl Into<String>,
        operation_id: impl Into<String>,
        tag: impl Into<String>,
        permission: Permission,
        handler: F,
    ) -> Endpoint
    where
        F: Fn(Request) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Response>> + Send + 'static,
    {
        Endpoint {
            method,
            base: Base::Api,
            path: path.into(),
            template: None,
            operation_id: operation_id.into(),
            tag: tag.into(),
            summary: String::new(),
            permission,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            handler: Arc::new(move |request| handler(request).boxed()),
        }
    }

    /// Lets its path begin at the root of the host, outside of the API and of its document.
    #[must_use]
    pub fn at_host(mut self) -> Endpoint {
        self.base = Base::Host;
        self
    }

    /// Says what it does, in one sentence.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Endpoint {
        self.summary = summary.into();
        self
    }

    /// Documents it below an href: `{task_href}`, `{file_file_repository_href}modify/`.
    #[must_use]
    pub fn template(mut self, template: impl Into<String>) -> Endpoint {
        self.template = Some(template.into());
        self
    }

    /// Adds parameters.
    #[must_use]
    pub fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Endpoint {
        self.parameters.extend(parameters);
        self
    }

    /// Sets what it takes.
    #[must_use]
    pub fn body(mut self, media: Media, component: Component) -> Endpoint {
        self.body = Some((media, component));
        self
    }

    /// Adds an answer with a body.
    #[must_use]
    pub fn answer(mut self, status: StatusCode, component: Component) -> Endpoint {
        self.answers.push((status, Some(component)));
        self
    }

    /// Adds the answer of an operation that goes on as a task: 202 with its href (R28).
    #[must_use]
    pub fn answer_task(self) -> Endpoint {
        self.answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
    }

    /// Adds an answer without a body.
    #[must_use]
    pub fn answer_empty(mut self, status: StatusCode) -> Endpoint {
        self.answers.push((status, None));
        self
    }

    /// Runs it.
    pub fn call(&self, request: Request) -> BoxFuture<'static, Result<Response>> {
        (self.handler)(request)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.method, self.path, self.operation_id)
    }
}

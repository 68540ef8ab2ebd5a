//! One request, from its path to its answer.

use std::sync::Arc;

use entities::{Pulp, Result, domain};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio_util::task::TaskTracker;
use warp::Reply;

use crate::conditions::Known;
use crate::context::Context;
use crate::resolve::File;
use crate::respond::Stored;
use crate::{ContentPlugin, ContentRequest, Response, listing, on_demand, path, problem, resolve, respond};

/// What all requests share.
#[derive(Clone)]
pub(crate) struct App {
    pub pulp: Pulp,
    pub plugins: Arc<[&'static dyn ContentPlugin]>,
    /// Downloads that outlive their request because they are being saved.
    pub downloads: TaskTracker,
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Asked {
    pub method: Method,
    /// Not decoded.
    pub path: String,
    pub headers: HeaderMap,
    pub correlation_id: String,
}

impl App {
    /// Answers, whatever happens.
    pub(crate) async fn answer(&self, asked: Asked) -> Response {
        if !matches!(asked.method, Method::GET | Method::HEAD) {
            let mut response = problem::plain(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match self.find(asked).await {
            Ok(Some(response)) => response,
            Ok(None) => problem::plain(StatusCode::NOT_FOUND),
            Err(error) => problem::from_error(error),
        }
    }

    async fn find(&self, asked: Asked) -> Result<Option<Response>> {
        let prefix = &self.pulp.settings.content_path_prefix;
        let Some(path) = path::below(&asked.path, prefix).map(String::from) else {
            let is_prefix = prefix.strip_suffix('/') == Some(&asked.path) && !asked.path.is_empty();
            return Ok(is_prefix.then(|| problem::moved(prefix)));
        };
        if path.is_empty() && asked.method == Method::HEAD {
            // Load balancers ask this all the time (A36).
            return Ok(Some(warp::reply().into_response()));
        }
        let found = resolve::distribution(&self.pulp, domain::DEFAULT, &path, &self.plugins).await?;
        let Some(distribution) = found else {
            return self.base_paths(&path, &asked.path).await;
        };
        let Some(below) = path[distribution.base_path.len()..].strip_prefix('/').map(str::to_owned) else {
            return Ok(Some(problem::moved(&format!("{}/", asked.path))));
        };
        let request = ContentRequest {
            pulp: self.pulp.clone(),
            method: asked.method,
            headers: asked.headers,
            correlation_id: asked.correlation_id,
            distribution,
            path: below,
        };
        if let Some(plugin) = resolve::plugin(&self.plugins, &request.distribution.pulp_type)
            && let Some(response) = plugin.respond(&request).await?
        {
            return Ok(Some(response));
        }
        if request.path.is_empty() || request.path.ends_with('/') {
            self.directory(request, &format!("{prefix}{path}")).await
        } else {
            self.file(request, &asked.path).await
        }
    }

    /// A path above the distributions: a listing of base paths (A04).
    async fn base_paths(&self, path: &str, raw: &str) -> Result<Option<Response>> {
        let (pulp, domain) = (&self.pulp, domain::DEFAULT);
        let title = format!("{}{path}", pulp.settings.content_path_prefix);
        if path.is_empty() || path.ends_with('/') {
            return listing::of_base_paths(pulp, domain, path, &title).await;
        }
        let below = listing::of_base_paths(pulp, domain, &format!("{path}/"), &title).await?;
        Ok(below.map(|_| problem::moved(&format!("{raw}/"))))
    }

    /// A directory of a distribution: its `index.html` if there is one, otherwise a listing (A08).
    async fn directory(&self, mut request: ContentRequest, title: &str) -> Result<Option<Response>> {
        let directory = request.path.clone();
        let index = format!("{directory}index.html");
        match resolve::file(&self.pulp, &request.distribution, &index).await? {
            Some(file) => {
                request.path = index;
                self.bytes(request, file).await
            }
            None => listing::of_distribution(&self.pulp, &request.distribution, &directory, title).await,
        }
    }

    async fn file(&self, request: ContentRequest, raw: &str) -> Result<Option<Response>> {
        if let Some(file) = resolve::file(&self.pulp, &request.distribution, &request.path).await? {
            return self.bytes(request, file).await;
        }
        let directory = format!("{}/", request.path);
        let exists = listing::exists(&self.pulp, &request.distribution, &directory).await?;
        Ok(exists.then(|| problem::moved(&format!("{raw}/"))))
    }

    async fn bytes(&self, request: ContentRequest, file: File) -> Result<Option<Response>> {
        let ContentRequest { pulp, method, headers, path, correlation_id, distribution } = request;
        let cx = Context { pulp, downloads: self.downloads.clone(), method, headers, correlation_id };
        match (file.file, file.content_artifact_id) {
            (Some(place), _) => {
                let known = Known {
                    sha256: file.sha256,
                    modified: file.pulp_created.map(Into::into),
                    size: file.size.and_then(|size| size.try_into().ok()),
                };
                Ok(Some(respond::stored(&cx, &path, &Stored { file: place, known }).await?))
            }
            (None, Some(content_artifact)) => {
                on_demand::respond(&cx, distribution.domain, &path, content_artifact).await
            }
            (None, None) => Ok(None),
        }
    }
}

//! One request, from its path to its response.

use std::borrow::Cow;
use std::sync::Arc;

use entities::{Pulp, Result, domain};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio_util::task::TaskTracker;
use warp::Reply;

use crate::context::Context;
use crate::service::Rooted;
use crate::{
    Answer, Body, Distribution, Request, Response, Services, distribution, file, listing, path, problem,
};

/// The methods of what is served the usual way.
const READING: &[Method] = &[Method::GET, Method::HEAD];

/// What browsers are told with every response, unless a plugin says otherwise: not to guess types, and not to
/// let uploaded pages act as pages of this host, which may be that of the REST API, too.
const PROTECTION: [(HeaderName, &str); 2] =
    [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CONTENT_SECURITY_POLICY, "sandbox")];

/// What all requests share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub pulp: Pulp,
    pub services: Arc<Services>,
    /// Downloads that outlive their request because they are being saved.
    pub downloads: TaskTracker,
}

/// A request as it came.
pub(crate) struct Asked {
    pub method: Method,
    /// Not decoded.
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub correlation_id: String,
    pub body: Body,
}

impl App {
    /// Responds, whatever happens.
    pub(crate) async fn answer(&self, asked: Asked) -> Response {
        let mut response = match self.find(asked).await {
            Ok(Some(response)) => response,
            Ok(None) => problem::plain(StatusCode::NOT_FOUND),
            Err(error) => problem::from_error(error),
        };
        for (name, value) in PROTECTION {
            response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
        response
    }

    async fn find(&self, asked: Asked) -> Result<Option<Response>> {
        let Some(path) = path::decode(&asked.path).map(Cow::into_owned) else { return Ok(None) };
        if let Some(rooted) = self.services.at(&path) {
            return self.at_root(rooted, &path, asked).await;
        }
        let reading = READING.contains(&asked.method);
        if !reading && !self.services.below_distributions_take(&asked.method) {
            return Ok(Some(problem::method_not_allowed(READING)));
        }
        let prefix = &self.pulp.settings.content_path_prefix;
        let Some(path) = path.strip_prefix(prefix.as_str()) else {
            let is_prefix = prefix.strip_suffix('/') == Some(&*asked.path) && !asked.path.is_empty();
            return Ok(is_prefix.then(|| problem::moved(prefix)));
        };
        if path.is_empty() && asked.method == Method::HEAD {
            // Load balancers ask this all the time (A36).
            return Ok(Some(warp::reply().into_response()));
        }
        let cx = self.context(&asked);
        match distribution::find(&cx, &self.services, path).await? {
            Some(distribution) => self.below(cx, distribution, path, asked).await,
            None if reading => self.base_paths(path, &asked.path).await,
            None => Ok(Some(problem::method_not_allowed(READING))),
        }
    }

    fn context(&self, asked: &Asked) -> Context {
        Context {
            pulp: self.pulp.clone(),
            downloads: self.downloads.clone(),
            method: asked.method.clone(),
            headers: asked.headers.clone(),
            correlation_id: asked.correlation_id.clone(),
        }
    }

    /// A request for a service with a root of its own.
    async fn at_root(&self, rooted: Rooted<'_>, path: &str, asked: Asked) -> Result<Option<Response>> {
        let allowed = rooted.service.allowed();
        if !allowed.contains(&asked.method) {
            return Ok(Some(problem::method_not_allowed(allowed)));
        }
        let answer = Answer::new(self.context(&asked), self.services.clone());
        (rooted.handle)(asked.below(path[rooted.root.len()..].to_owned()), answer).await
    }

    /// A request below a distribution: the plugin's own handler comes first (A06).
    async fn below(
        &self,
        cx: Context,
        distribution: Distribution,
        path: &str,
        asked: Asked,
    ) -> Result<Option<Response>> {
        let service = self.services.of_type(&distribution.pulp_type);
        let allowed = service.map_or(READING, |service| service.allowed());
        if !allowed.contains(&asked.method) {
            return Ok(Some(problem::method_not_allowed(allowed)));
        }
        let Some(below) = path[distribution.base_path.len()..].strip_prefix('/').map(str::to_owned) else {
            return Ok(Some(problem::moved(&format!("{}/", asked.path))));
        };
        let raw = asked.path.clone();
        if let Some(handle) = service.and_then(|service| service.of_distribution()) {
            let answer = Answer::new(cx.clone(), self.services.clone());
            let response = handle(asked.below(below.clone()), distribution.clone(), answer).await?;
            if response.is_some() {
                return Ok(response);
            }
        }
        if !READING.contains(&cx.method) {
            return Ok(None);
        }
        if below.is_empty() || below.ends_with('/') {
            let title = format!("{}{path}", self.pulp.settings.content_path_prefix);
            directory(&cx, &distribution, &below, &title).await
        } else {
            single(&cx, &distribution, &below, &raw).await
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
}

impl Asked {
    /// The request for what is at `path`, relative to the place of a service.
    fn below(self, path: String) -> Request {
        let Asked { method, path: _, query, headers, correlation_id, body } = self;
        Request { method, path, query, headers, correlation_id, body }
    }
}

/// A directory of a distribution: its `index.html` if there is one, otherwise a listing (A08).
async fn directory(
    cx: &Context,
    distribution: &Distribution,
    directory: &str,
    title: &str,
) -> Result<Option<Response>> {
    let index = format!("{directory}index.html");
    match file::published(&cx.pulp, distribution, &index).await? {
        Some(file) => file::respond(cx, distribution.domain, &index, file).await,
        None => listing::of_distribution(&cx.pulp, distribution, directory, title).await,
    }
}

/// A file of a distribution. `raw` is the path as the client sent it.
async fn single(
    cx: &Context,
    distribution: &Distribution,
    path: &str,
    raw: &str,
) -> Result<Option<Response>> {
    if let Some(file) = file::published(&cx.pulp, distribution, path).await? {
        return file::respond(cx, distribution.domain, path, file).await;
    }
    let exists = listing::exists(&cx.pulp, distribution, &format!("{path}/")).await?;
    Ok(exists.then(|| problem::moved(&format!("{raw}/"))))
}

//! The router: a fold over the endpoints. Paths are matched by `matchit`, whatever their number, within a
//! microsecond.
//!
//! Once a path has matched, what the handler returns is the answer; nothing is rejected.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use entities::{Links, Scope};
use front::RequestInfo;
use futures_util::TryStreamExt;
use http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, LOCATION, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::{Filter, Reply};

use crate::body::Body;
use crate::endpoint::Base;
use crate::query::Query;
use crate::response::{self, Response};
use crate::{Context, Endpoint, Error, Request, problem};

/// The endpoints of every path.
struct Routes {
    context: Context,
    paths: matchit::Router<Vec<Endpoint>>,
}

type Answer = (warp::reply::Response,);

/// Where the page that sends a request comes from, by its browser.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What browsers are told with every response: not to guess types, not to show it in frames of others, and
/// not to tell others its address.
const PROTECTION: [(HeaderName, &str); 3] =
    [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (X_FRAME_OPTIONS, "DENY"), (REFERRER_POLICY, "same-origin")];

/// The filter that answers every request.
///
/// # Errors
/// If the paths of two endpoints contradict each other: their `{…}` stand at the same place under other
/// names.
pub(crate) fn filter(context: Context, endpoints: Vec<Endpoint>) -> anyhow::Result<BoxedFilter<Answer>> {
    let paths = paths(context.pulp.links.root(), endpoints)?;
    let routes = Arc::new(Routes { context, paths });
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let filter = warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<RequestInfo>())
        .and(warp::body::stream())
        .then(move |method, path: FullPath, query, headers, info, body| {
            let (routes, path) = (routes.clone(), path.as_str().to_owned());
            async move { finish(answer(routes, method, path, query, headers, info, read(body)).await) }
        });
    Ok(filter.boxed())
}

/// Endpoints by their whole paths.
fn paths(root: &str, endpoints: Vec<Endpoint>) -> anyhow::Result<matchit::Router<Vec<Endpoint>>> {
    let mut by_path: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        let path = match endpoint.base {
            Base::Api => format!("{root}{}", endpoint.path),
            Base::Host => endpoint.path.clone(),
        };
        by_path.entry(path).or_default().push(endpoint);
    }
    let mut paths = matchit::Router::new();
    for (path, endpoints) in by_path {
        paths.insert(path, endpoints)?;
    }
    Ok(paths)
}

async fn answer(
    routes: Arc<Routes>,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    info: RequestInfo,
    body: Body,
) -> Response {
    let links = links(&routes.context, &headers);
    let own = routes.context.pulp.links.root();
    // Behind a proxy the same paths begin with another root.
    let internal = match path.strip_prefix(links.root()) {
        Some(below) if links.root() != own => format!("{own}{below}"),
        _ => path.clone(),
    };
    let Ok(found) = routes.paths.at(&internal) else {
        return elsewhere(&routes, &internal, &path, &query);
    };
    let segments = found.params.iter().map(|(_, value)| value.to_owned()).collect();
    let request = Request {
        context: routes.context.clone(),
        user: None,
        scope: Scope::of_request(None, false),
        links,
        info,
        path,
        segments,
        query: Query::parse(&query),
        headers,
        body,
    };
    call(found.value, &method, request).await.unwrap_or_else(problem::answer)
}

/// The names of objects for this client: a proxy may serve the API under a root of its own.
fn links(context: &Context, headers: &HeaderMap) -> Links {
    let links = &context.pulp.links;
    let header = context.pulp.settings.api_root_rewrite_header.as_deref();
    let root = header.and_then(|name| headers.get(name)?.to_str().ok());
    match root {
        Some(root) if is_path(root) => links.under(root),
        _ => links.clone(),
    }
}

/// Whether a text is nothing but a path, so that it can stand in hrefs.
fn is_path(text: &str) -> bool {
    !text.contains("..")
        && text.len() <= 256
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte))
}

async fn call(endpoints: &[Endpoint], method: &Method, mut request: Request) -> crate::Result<Response> {
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let endpoint = endpoints.iter().find(|endpoint| endpoint.method == *wanted);
    let is_open = endpoint.is_some_and(|endpoint| endpoint.permission.is_anonymous())
        || endpoints.iter().all(|endpoint| endpoint.permission.is_anonymous());
    if !method.is_safe() && is_of_other_site(&request.headers, &request.info) {
        return Err(Error::Forbidden);
    }
    if !is_open {
        let user = request.context.authenticate(&request.headers, request.info.client).await?;
        request.scope = Scope::of_request(Some(user.id), user.is_superuser);
        request.user = Some(user);
    }
    let Some(endpoint) = endpoint else {
        let allowed: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.method.as_str()).collect();
        return Ok(problem::method_not_allowed(method, &allowed.join(", ")));
    };
    endpoint.permission.check(request.user.as_ref())?;
    if endpoint.base == Base::Api && !request.query.has_known_format() {
        return Ok(problem::not_found());
    }
    let user = request.user.as_ref().map(|user| front::User(user.username.clone()));
    let mut response = endpoint.call(request).await.unwrap_or_else(problem::answer);
    // For the access log.
    if let Some(user) = user {
        response.extensions_mut().insert(user);
    }
    Ok(response)
}

/// Whether a page of another site had a browser send the request, which adds the credentials by itself.
/// Browsers say so; other clients send neither header.
fn is_of_other_site(headers: &HeaderMap, info: &RequestInfo) -> bool {
    let text = |value: Option<&HeaderValue>| value.map(|value| value.to_str().unwrap_or_default().to_owned());
    if let Some(site) = text(headers.get(SEC_FETCH_SITE)) {
        return site == "cross-site";
    }
    let Some(origin) = text(headers.get(ORIGIN)) else { return false };
    let host = origin.parse::<Uri>().ok().and_then(|origin| Some(origin.authority()?.to_string()));
    host.is_none_or(|host| !host.eq_ignore_ascii_case(&info.host))
}

/// Adds what every response has.
fn finish(response: Response) -> warp::reply::Response {
    // The bytes are shared, not copied: the same document may be on its way to many clients.
    let mut response = response.into_response();
    let exposed = HeaderValue::from_static("Correlation-ID");
    response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    for (name, value) in PROTECTION {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The answer where no route matches: the same path with a slash if that exists (R01), else 404.
fn elsewhere(routes: &Routes, internal: &str, path: &str, query: &str) -> Response {
    if path.ends_with('/') || routes.paths.at(&format!("{internal}/")).is_err() {
        return problem::not_found();
    }
    let target = if query.is_empty() { format!("{path}/") } else { format!("{path}/?{query}") };
    let mut response = response::empty(StatusCode::MOVED_PERMANENTLY);
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

fn read<B: Buf>(
    stream: impl futures_util::Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
) -> Body {
    Body::new(stream.map_ok(|mut bytes| -> Bytes { bytes.copy_to_bytes(bytes.remaining()) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Permission;

    #[test]
    fn fixed_segments_go_before_ids() {
        let nothing = async |_: Request| Ok(response::empty(StatusCode::OK));
        let endpoint =
            |path: &str| Endpoint::new(Method::GET, path, path, "Test", Permission::Anonymous, nothing);
        let below =
            ["", "tasks/", "tasks/purge/", "tasks/{pk}/", "a/{pk}/v/", "a/{pk}/v/{n}/", "docs/api.json"];
        let mut endpoints: Vec<Endpoint> = below.into_iter().map(endpoint).collect();
        endpoints.push(endpoint("/auth/login/").at_host());
        let paths = paths("/pulp/api/v3/", endpoints).unwrap();
        let found = |path: &str| {
            let found = paths.at(path).ok()?;
            let values: Vec<&str> = found.params.iter().map(|(_, value)| value).collect();
            Some((found.value[0].path.clone(), values.join(",")))
        };
        let expected = |path: &str, segments: &str| Some((path.to_owned(), segments.to_owned()));
        assert_eq!(found("/pulp/api/v3/"), expected("", ""));
        assert_eq!(found("/pulp/api/v3/tasks/purge/"), expected("tasks/purge/", ""));
        assert_eq!(found("/pulp/api/v3/tasks/7/"), expected("tasks/{pk}/", "7"));
        assert_eq!(found("/pulp/api/v3/a/7/v/8/"), expected("a/{pk}/v/{n}/", "7,8"));
        assert_eq!(found("/pulp/api/v3/docs/api.json"), expected("docs/api.json", ""));
        assert_eq!(found("/auth/login/"), expected("/auth/login/", ""));
        for path in ["tasks", "tasks//", "tasks/7", "tasks/7/8/", "a/", "a/7/w/", "docs/api.json/", "x/"] {
            assert_eq!(found(&format!("/pulp/api/v3/{path}")), None, "{path}");
        }
    }

    #[test]
    fn only_paths_can_be_roots() {
        assert!(is_path("/repo/pulp/"));
        for text in ["/a/../b/", "//evil.example\"", "/a b/", "/<script>/"] {
            assert!(!is_path(text), "{text}");
        }
    }
}

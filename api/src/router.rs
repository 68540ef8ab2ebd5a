//! The router: a fold over the endpoints. One warp filter per static path prefix, the longest first.
//!
//! No endpoint rejects: once a path has matched, what the handler answers is the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes};
use futures_util::TryStreamExt;
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use tracing::Instrument;
use warp::filters::BoxedFilter;
use warp::path::{FullPath, Tail};
use warp::{Filter, Reply};

use crate::body::Body;
use crate::query::Query;
use crate::response::{self, Response};
use crate::{Context, Endpoint, Error, Request, correlation, problem};

/// Endpoints whose paths begin with the same segments.
struct Group {
    prefix: Vec<String>,
    routes: Vec<Route>,
}

/// What follows the prefix; `None` stands for any segment.
type Pattern = Vec<Option<String>>;

/// The methods of one path.
struct Route {
    pattern: Pattern,
    endpoints: Vec<Endpoint>,
}

/// A path that has matched.
struct Match {
    group: Arc<Group>,
    route: usize,
    segments: Vec<String>,
}

type Answer = (warp::reply::Response,);

/// The filter that answers every request.
pub(crate) fn filter(context: Context, endpoints: Vec<Endpoint>) -> BoxedFilter<Answer> {
    let groups: Vec<Arc<Group>> = group(endpoints).into_iter().map(Arc::new).collect();
    let routes = balanced(groups.iter().map(|group| routes(&context, group.clone())).collect());
    let rest = warp::method()
        .and(warp::path::full())
        .and(query())
        .and(warp::header::headers_cloned())
        .then(move |method: Method, path: FullPath, query: String, headers: HeaderMap| {
            let answer = elsewhere(&groups, path.as_str(), &query);
            observe(method, path, correlation_id(&headers), async move { answer })
        })
        .boxed();
    match routes {
        Some(routes) => routes.or(rest).unify().boxed(),
        None => rest,
    }
}

fn routes(context: &Context, group: Arc<Group>) -> BoxedFilter<Answer> {
    let context = context.clone();
    let root = entities::href::API_ROOT.trim_matches('/').split('/').map(str::to_owned);
    let mut prefix = warp::any().boxed();
    for segment in root.chain(group.prefix.iter().cloned()) {
        prefix = prefix.and(warp::path(segment)).boxed();
    }
    prefix
        .and(warp::path::tail())
        .and(warp::path::full())
        .and_then(move |tail: Tail, path: FullPath| {
            // The filters above do not see whether the path ends with a slash.
            let found = find(&group, tail.as_str(), path.as_str().ends_with('/'))
                .map(|(route, segments)| Match { group: group.clone(), route, segments });
            std::future::ready(found.ok_or_else(warp::reject::not_found))
        })
        .and(warp::method())
        .and(warp::path::full())
        .and(query())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |found: Match, method: Method, path: FullPath, query: String, headers: HeaderMap, body| {
            let cid = correlation_id(&headers);
            let request = Request {
                context: context.clone(),
                user: None,
                cid: cid.clone(),
                path: path.as_str().to_owned(),
                segments: Vec::new(),
                query: Query::parse(&query),
                headers,
                body: read(body),
            };
            observe(method.clone(), path, cid, call(found, method, request))
        })
        .boxed()
}

async fn call(found: Match, method: Method, mut request: Request) -> Response {
    let endpoints = &found.group.routes[found.route].endpoints;
    let wanted = if method == Method::HEAD { &Method::GET } else { &method };
    let endpoint = endpoints.iter().find(|endpoint| endpoint.method == *wanted);
    if !endpoints.iter().all(|endpoint| endpoint.anonymous) {
        let pulp = &request.context.pulp;
        match request.context.credentials.check(&request.headers, &pulp.db).await {
            Ok(user) if user.is_superuser => request.user = Some(user),
            Ok(_) => return problem::answer(Error::Forbidden),
            Err(error) => return problem::answer(error),
        }
    }
    let Some(endpoint) = endpoint else {
        let allowed: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.method.as_str()).collect();
        return problem::method_not_allowed(&method, &allowed.join(", "));
    };
    request.segments = found.segments;
    match endpoint.call(request).await {
        Ok(response) => response,
        Err(error) => problem::answer(error),
    }
}

/// Adds what every answer has, and writes the access log.
async fn observe(
    method: Method,
    path: FullPath,
    cid: String,
    answer: impl Future<Output = Response> + Send,
) -> warp::reply::Response {
    let begin = Instant::now();
    let span = tracing::info_span!("request", cid);
    async move {
        let mut response = answer.await;
        let headers = response.headers_mut();
        if let Ok(cid) = HeaderValue::from_str(&cid) {
            headers.insert(correlation::HEADER, cid);
        }
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Correlation-ID"));
        let ms = begin.elapsed().as_millis() as u64;
        let status = response.status().as_u16();
        tracing::info!(target: "access", %method, path = path.as_str(), status, ms, cid, "request");
        response.map(Vec::from).into_response()
    }
    .instrument(span)
    .await
}

/// The answer where no route matches: the same path with a slash if that exists (R01), else 404.
fn elsewhere(groups: &[Arc<Group>], path: &str, query: &str) -> Response {
    let exists = |path: &str| {
        let Some(below) = path.strip_prefix(entities::href::API_ROOT) else { return false };
        groups.iter().any(|group| {
            let prefix: String = group.prefix.iter().map(|segment| format!("{segment}/")).collect();
            below.strip_prefix(&prefix).is_some_and(|tail| find(group, tail, true).is_some())
        })
    };
    let slashed = format!("{path}/");
    if path.ends_with('/') || !exists(&slashed) {
        return problem::not_found();
    }
    let target = if query.is_empty() { slashed } else { format!("{slashed}?{query}") };
    let mut response = response::empty(StatusCode::MOVED_PERMANENTLY);
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

fn group(endpoints: Vec<Endpoint>) -> Vec<Group> {
    let mut groups: BTreeMap<Vec<String>, BTreeMap<Pattern, Vec<Endpoint>>> = BTreeMap::new();
    for endpoint in endpoints {
        let mut segments = split(&endpoint.path);
        // The name of a file, the only path without a slash at its end, is matched as a tail.
        let keep = segments.len() - usize::from(is_file(&endpoint.path));
        let fixed = segments.iter().take(keep).take_while(|segment| !segment.starts_with('{')).count();
        let pattern = segments.split_off(fixed).into_iter();
        let pattern = pattern.map(|segment| (!segment.starts_with('{')).then_some(segment)).collect();
        groups.entry(segments).or_default().entry(pattern).or_default().push(endpoint);
    }
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(prefix, routes)| {
            let routes = routes.into_iter().map(|(pattern, endpoints)| Route { pattern, endpoints });
            Group { prefix, routes: routes.collect() }
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.prefix.len()));
    groups
}

/// Which route of a group matches what follows its prefix, and what stands for its `{…}`.
fn find(group: &Group, tail: &str, slashed: bool) -> Option<(usize, Vec<String>)> {
    group.routes.iter().enumerate().find_map(|(at, route)| {
        if route.endpoints.first().is_some_and(|endpoint| is_file(&endpoint.path)) == slashed {
            return None;
        }
        let segments = split(tail);
        let fits = segments.len() == route.pattern.len()
            && segments.iter().zip(&route.pattern).all(|(segment, pattern)| match pattern {
                Some(fixed) => fixed == segment,
                None => !segment.is_empty(),
            });
        let values = segments.iter().zip(&route.pattern).filter(|(_, pattern)| pattern.is_none());
        fits.then(|| (at, values.map(|(segment, _)| segment.clone()).collect()))
    })
}

fn split(path: &str) -> Vec<String> {
    match path {
        "" => Vec::new(),
        path => path.strip_suffix('/').unwrap_or(path).split('/').map(str::to_owned).collect(),
    }
}

fn is_file(path: &str) -> bool {
    !path.is_empty() && !path.ends_with('/')
}

/// `or` over all filters, as a balanced tree: a left fold would walk all of them for the last.
fn balanced(mut filters: Vec<BoxedFilter<Answer>>) -> Option<BoxedFilter<Answer>> {
    if filters.len() < 2 {
        return filters.pop();
    }
    let second = balanced(filters.split_off(filters.len() / 2))?;
    let first = balanced(filters)?;
    Some(first.or(second).unify().boxed())
}

fn query() -> BoxedFilter<(String,)> {
    warp::query::raw().or(warp::any().map(String::new)).unify().boxed()
}

fn correlation_id(headers: &HeaderMap) -> String {
    correlation::accept(headers.get(correlation::HEADER).and_then(|value| value.to_str().ok()))
}

fn read<B: Buf>(
    stream: impl futures_util::Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
) -> Body {
    Body::new(stream.map_ok(|mut bytes| -> Bytes { bytes.copy_to_bytes(bytes.remaining()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(paths: &[&str]) -> Vec<Group> {
        let nothing = async |_: Request| Ok(response::empty(StatusCode::OK));
        let endpoint = |path: &&str| Endpoint::new(Method::GET, *path, *path, "Test", nothing);
        group(paths.iter().map(endpoint).collect())
    }

    fn route(groups: &[Group], path: &str) -> Option<(String, Vec<String>)> {
        groups.iter().find_map(|group| {
            let prefix: String = group.prefix.iter().map(|segment| format!("{segment}/")).collect();
            let (route, segments) =
                find(group, path.strip_prefix(&prefix)?, path.ends_with('/') || path.is_empty())?;
            Some((group.routes[route].endpoints[0].path.clone(), segments))
        })
    }

    #[test]
    fn fixed_segments_go_before_ids() {
        let groups = groups(&[
            "",
            "tasks/",
            "tasks/purge/",
            "tasks/{pk}/",
            "a/{pk}/v/",
            "a/{pk}/v/{n}/",
            "docs/api.json",
        ]);
        let found = |path: &str| route(&groups, path).map(|(path, segments)| (path, segments.join(",")));
        let expected = |path: &str, segments: &str| Some((path.to_owned(), segments.to_owned()));
        assert_eq!(found(""), expected("", ""));
        assert_eq!(found("tasks/"), expected("tasks/", ""));
        assert_eq!(found("tasks/purge/"), expected("tasks/purge/", ""));
        assert_eq!(found("tasks/7/"), expected("tasks/{pk}/", "7"));
        assert_eq!(found("a/7/v/8/"), expected("a/{pk}/v/{n}/", "7,8"));
        assert_eq!(found("docs/api.json"), expected("docs/api.json", ""));
        for path in [
            "tasks",
            "tasks//",
            "tasks/7",
            "tasks/7/8/",
            "a/",
            "a/7/",
            "a/7/w/",
            "docs/",
            "docs/api.json/",
            "x/",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }
}

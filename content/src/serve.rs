//! The filter that answers every request for content.

use std::sync::Arc;

use bytes::Buf;
use entities::Pulp;
use front::{RequestInfo, Routes};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::{HeaderMap, Method};
use tokio_util::task::TaskTracker;
use warp::Filter;
use warp::path::FullPath;

use crate::handle::{App, Asked};
use crate::{Body, Services};

/// Serves content, whatever the path. Downloads that go on without their client run in `downloads`.
pub fn routes(pulp: Pulp, services: Services, downloads: TaskTracker) -> Routes {
    let app = Arc::new(App { pulp, services: Arc::new(services), downloads });
    let query = warp::query::raw().map(Some).or(warp::any().map(|| None)).unify();
    warp::path::full()
        .and(query)
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and(warp::ext::get::<RequestInfo>())
        .then(move |path: FullPath, query, method: Method, headers: HeaderMap, body, info: RequestInfo| {
            let app = app.clone();
            let path = path.as_str().to_owned();
            let body = pieces(body);
            let asked = Asked { method, path, query, headers, correlation_id: info.correlation_id, body };
            async move { app.answer(asked).await }
        })
        .boxed()
}

/// The body of a request, piece by piece.
fn pieces(body: impl Stream<Item = Result<impl Buf, warp::Error>> + Send + 'static) -> Body {
    body.map_ok(|mut piece| piece.copy_to_bytes(piece.remaining())).map_err(Into::into).boxed()
}

//! The filter that answers every request for content.

use std::sync::Arc;

use entities::Pulp;
use front::{RequestInfo, Routes};
use http::{HeaderMap, Method};
use tokio_util::task::TaskTracker;
use warp::Filter;
use warp::path::FullPath;

use crate::ContentPlugin;
use crate::handle::{App, Asked};

/// Serves content, whatever the path. Downloads that go on without their client run in `downloads`.
pub fn routes(pulp: Pulp, plugins: Arc<[&'static dyn ContentPlugin]>, downloads: TaskTracker) -> Routes {
    let app = Arc::new(App { pulp, plugins, downloads });
    warp::path::full()
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<RequestInfo>())
        .then(move |path: FullPath, method: Method, headers: HeaderMap, info: RequestInfo| {
            let app = app.clone();
            let path = path.as_str().to_owned();
            async move { app.answer(Asked { method, path, headers, correlation_id: info.correlation_id }).await }
        })
        .boxed()
}

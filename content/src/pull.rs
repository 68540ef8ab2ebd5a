//! Pull-through: files that are unknown until a client asks for them (A21).

use entities::checksum::Expected;
use entities::storage::Staged;
use entities::{Error, Result, remote};
use futures_util::future::BoxFuture;
use http::StatusCode;
use tasking::download::Failure;
use tasking::units::{self, Unit};
use uuid::Uuid;

use crate::conditions::Known;
use crate::context::Context;
use crate::relay::Save;
use crate::upstream::{self, Download, Unusable};
use crate::{Response, respond};

/// Reads a unit from bytes that are checked.
pub(crate) type Parse = Box<dyn FnOnce(Staged) -> BoxFuture<'static, anyhow::Result<Unit>> + Send>;

/// What to pull through.
#[derive(Debug)]
pub(crate) struct Pulled<'a> {
    pub domain: Uuid,
    pub remote: &'a remote::Model,
    pub url: &'a str,
    /// The name at its end gives the media type.
    pub path: &'a str,
    pub expected: Expected,
}

/// Responds with what the remote has, and saves it. `None` if it has nothing there.
pub(crate) async fn respond(cx: &Context, pulled: Pulled<'_>, parse: Parse) -> Result<Option<Response>> {
    let Pulled { domain, remote, url, path, expected } = pulled;
    let known = Known::expected(&expected);
    if let Some(unmet) = known.unmet(&cx.headers) {
        return Ok(Some(respond::unmet(unmet, &known)));
    }
    let kept = remote.policy != "streamed";
    let (pulp, id) = (cx.pulp.clone(), remote.pulp_id);
    let save: Save = Box::new(move |staged| {
        Box::pin(async move {
            let unit = parse(staged).await?;
            units::create(&pulp, domain, Some(id), unit).await?;
            Ok(())
        })
    });
    let save = kept.then_some(save);
    let download =
        Download { remote, url, expected, known, path, save, if_wrong: Box::pin(std::future::ready(())) };
    match upstream::respond(cx, download).await {
        Ok(response) => Ok(Some(response)),
        Err(Unusable::Download(error)) if is_absent(&error.failure) => Ok(None),
        Err(reason) => {
            Err(Error::Unavailable(format!("cannot fetch {}: {reason}", tasking::download::shown(url))))
        }
    }
}

fn is_absent(failure: &Failure) -> bool {
    matches!(failure, Failure::Status(StatusCode::NOT_FOUND | StatusCode::GONE))
}
